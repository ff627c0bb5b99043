// Numbers, names and identifiers as text.

// The spaces do not break.
export function size({ width, height }) {
  return `${width}\u00a0×\u00a0${height}`;
}

// Returns an expected duration in words, with the digits that an estimate deserves.
export function about(seconds) {
  if (seconds < 1) return "about 1 s";
  if (seconds < 90) return `about ${twoDigits(seconds)} s`;
  if (seconds < 5400) return `about ${twoDigits(seconds / 60)} min`;
  return `about ${twoDigits(seconds / 3600)} h`;
}

function twoDigits(number) {
  return number < 10 ? Math.max(1, Math.round(number)) : Number(number.toPrecision(2));
}

// Messages of the server are parts of a sentence.
export function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? "" : "."}`;
}

export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

export function withoutExtension(name) {
  return name.replace(/\.[^.]*$/, "");
}

// crypto.randomUUID exists on encrypted pages and on this machine only.
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export function dataUri(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("The file cannot be read any more. Choose it again."));
    reader.readAsDataURL(file);
  });
}
