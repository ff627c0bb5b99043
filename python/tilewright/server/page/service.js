// The connection to the server: its WebSocket API, as every other client uses it.
//
// A lost connection is opened again, and the results that were finished meanwhile arrive then. Tasks that the server
// has not got, or has lost because it was started again, are sent once more.

const PATIENCE = 60_000; // milliseconds in which a lost connection must come back
const FIRST_WAIT = 500; // milliseconds before the second attempt; it doubles
const LONGEST_WAIT = 5_000;
const GLANCE = 150; // milliseconds between two looks at how much was sent

const TOO_BIG = 1009; // close code of RFC 6455

const NO_ANSWER = "The server does not answer. Is it still running?";

export class KeyNeeded extends Error {}

export class Service {
  #listener;
  #key;
  #socket = null;
  #opening = null;
  #session; // its connectionSessionUUID
  #tasks = new Map(); // by taskUUID
  #pinged = []; // tasks whose arrival the server has not confirmed yet

  // `listener` has the methods sending(taskUUID, share), accepted(taskUUID), progressed(item), finished(item),
  // failed(error), disconnected() after each attempt that failed, and reconnected(). `key` returns the API key.
  constructor(listener, key) {
    this.#listener = listener;
    this.#key = key;
  }

  // Sends a task, which `make` returns; it may be called again. Throws if there is no connection.
  async run(taskUUID, make) {
    await this.#connect();
    this.#tasks.set(taskUUID, { make, isAccepted: false, isRepeated: false });
    await this.#send(taskUUID);
  }

  async #connect() {
    if (this.#socket !== null) return;
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    await this.#opening;
  }

  #open() {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(new URL("v1", location.href).href.replace(/^http/, "ws"));
      socket.onopen = () => {
        const session = this.#session && { connectionSessionUUID: this.#session };
        const task = { taskType: "authentication", apiKey: this.#key(), reportProgress: true, ...session };
        socket.send(JSON.stringify([task]));
      };
      socket.onmessage = ({ data }) => {
        const { data: items, errors = [] } = JSON.parse(data);
        for (const item of items) {
          if (item.taskType === "authentication") {
            [this.#socket, this.#session] = [socket, item.connectionSessionUUID];
            resolve();
          } else this.#take(item);
        }
        for (const error of errors) {
          if (error.taskType === "authentication") {
            socket.close();
            reject(new KeyNeeded("This server needs an API key. Enter it, and press Enlarge again."));
          } else this.#fail(error);
        }
      };
      socket.onclose = ({ code }) => {
        reject(new Error(NO_ANSWER));
        if (this.#socket === socket) this.#lost(code);
      };
    });
  }

  async #send(taskUUID) {
    const task = this.#tasks.get(taskUUID);
    const socket = this.#socket;
    if (task === undefined || socket === null) return; // it is sent when the connection is back
    let frame;
    try {
      frame = JSON.stringify([await task.make()]);
    } catch (error) {
      this.#fail({ taskUUID, message: error.message });
      return;
    }
    if (socket !== this.#socket) return;
    socket.send(frame);
    // The server answers a ping after it has taken what was sent before.
    socket.send(JSON.stringify([{ taskType: "ping", ping: true }]));
    this.#pinged.push(taskUUID);
    while (socket === this.#socket && socket.bufferedAmount > 0 && this.#tasks.has(taskUUID)) {
      this.#listener.sending(taskUUID, Math.max(0, 1 - socket.bufferedAmount / frame.length));
      await sleep(GLANCE);
    }
  }

  #take(item) {
    if (item.taskType === "ping") {
      const taskUUID = this.#pinged.shift();
      if (!this.#tasks.has(taskUUID)) return; // it is finished
      this.#tasks.get(taskUUID).isAccepted = true;
      this.#listener.accepted(taskUUID);
    } else if (item.taskType === "progress") {
      if (this.#tasks.has(item.taskUUID)) this.#listener.progressed(item);
    } else if (this.#tasks.delete(item.taskUUID)) this.#listener.finished(item);
  }

  #fail(error) {
    this.#tasks.delete(error.taskUUID);
    this.#listener.failed(error);
  }

  #failAll(message) {
    for (const taskUUID of [...this.#tasks.keys()]) this.#fail({ taskUUID, message });
  }

  #lost(code) {
    this.#socket = null;
    if (code === TOO_BIG) {
      const taskUUID = this.#pinged[0];
      if (this.#tasks.has(taskUUID)) this.#fail({ taskUUID, message: "The file is too large for this server." });
    }
    this.#pinged = [];
    if (this.#tasks.size > 0) this.#reconnect();
  }

  async #reconnect() {
    const deadline = Date.now() + PATIENCE;
    const before = this.#session;
    for (let wait = FIRST_WAIT; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      try {
        await this.#connect();
        break;
      } catch (error) {
        if (error instanceof KeyNeeded || Date.now() + wait > deadline) {
          this.#failAll(error.message);
          return;
        }
        this.#listener.disconnected();
        await sleep(wait);
      }
    }
    this.#listener.reconnected();
    for (const [taskUUID, task] of [...this.#tasks]) {
      if (task.isAccepted && this.#session === before) continue; // its result will come
      // A picture that ends the server must not do so again and again.
      if (task.isRepeated) this.#fail({ taskUUID, message: "The connection to the server was lost twice." });
      else {
        Object.assign(task, { isAccepted: false, isRepeated: true });
        await this.#send(taskUUID);
      }
    }
  }
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
