// TextEncoder and TextDecoder: UTF-8, which is all that strategies meet.

export class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(text = "") {
    // One unit of UTF-16 is at most three bytes.
    const bytes = new Uint8Array(text.length * 3);
    let length = 0;
    for (let i = 0; i < text.length; i++) {
      const first = text.charCodeAt(i);
      if (first < 0x80) {
        bytes[length++] = first;
        continue;
      }
      let code = text.codePointAt(i);
      if (code > 0xffff) i++;
      else if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
      if (code < 0x800) {
        bytes[length++] = 0xc0 | (code >> 6);
      } else {
        if (code < 0x10000) {
          bytes[length++] = 0xe0 | (code >> 12);
        } else {
          bytes[length++] = 0xf0 | (code >> 18);
          bytes[length++] = 0x80 | ((code >> 12) & 63);
        }
        bytes[length++] = 0x80 | ((code >> 6) & 63);
      }
      bytes[length++] = 0x80 | (code & 63);
    }
    return bytes.slice(0, length);
  }
}

export class TextDecoder {
  #fatal;
  #ignoreBOM;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!["utf-8", "utf8"].includes(String(label).toLowerCase())) {
      throw new RangeError(`TextDecoder knows utf-8 only, and not ${label}`);
    }
    this.#fatal = fatal;
    this.#ignoreBOM = ignoreBOM;
  }

  get encoding() {
    return "utf-8";
  }

  decode(input = new Uint8Array()) {
    const bytes = ArrayBuffer.isView(input)
      ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
      : new Uint8Array(input);
    let text = "";
    let units = [];
    for (let at = 0; at < bytes.length; ) {
      const [code, length] = codeAt(bytes, at);
      if (code < 0 && this.#fatal) throw new TypeError(`byte ${at} is not UTF-8`);
      units.push(code < 0 ? 0xfffd : code);
      at += length;
      if (units.length === 1024) {
        text += String.fromCodePoint(...units);
        units = [];
      }
    }
    text += String.fromCodePoint(...units);
    return !this.#ignoreBOM && text.startsWith("\ufeff") ? text.slice(1) : text;
  }
}

// The code point at an index and how many bytes it has; -1 where they are no UTF-8, with the length of
// what one replacement character stands for.
function codeAt(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [first, 1];
  const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
  if (more === 0) return [-1, 1];
  // The second byte keeps out what is too long, half a surrogate pair, or too large.
  const least = { 0xe0: 0xa0, 0xf0: 0x90 }[first] ?? 0x80;
  const most = { 0xed: 0x9f, 0xf4: 0x8f }[first] ?? 0xbf;
  let code = first & (0x3f >> more);
  for (let i = 1; i <= more; i++) {
    const byte = bytes[at + i];
    if (byte === undefined || byte < (i === 1 ? least : 0x80) || byte > (i === 1 ? most : 0xbf)) return [-1, i];
    code = (code << 6) | (byte & 63);
  }
  return [code, more + 1];
}
