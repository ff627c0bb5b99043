// Expected seconds of pictures. The server is asked once for each size, one question after the other.

export class Estimates {
  #answers = new Map();
  #last = Promise.resolve();
  #key;

  // `key` returns the API key.
  constructor(key) {
    this.#key = key;
  }

  // Returns the seconds; null if nobody knows, or if the answer is not wanted any more.
  async seconds(query, isWanted) {
    const text = new URLSearchParams(query).toString();
    const turn = this.#last.then(() => this.#ask(text, isWanted));
    this.#last = turn.catch(() => {});
    return turn.catch(() => null);
  }

  async #ask(text, isWanted) {
    if (this.#answers.has(text)) return this.#answers.get(text);
    if (!isWanted()) return null;
    const key = this.#key();
    const response = await fetch(`estimate?${text}`, { headers: key ? { Authorization: `Bearer ${key}` } : {} });
    if (!response.ok) return null;
    const { seconds } = await response.json();
    this.#answers.set(text, seconds);
    return seconds;
  }
}
