// What comes with a command beside its message: keys with one or more texts or byte strings. Keys are
// compared without regard to case.

const EVENT_PREFIX = 'ce-';

/** The attributes of a CloudEvent, in metadata entries named ce-*. */
export class CloudEvent {
  #metadata;

  constructor(metadata) {
    this.#metadata = metadata;
  }

  get specversion() { return this.#text('specversion'); }
  get id() { return this.#text('id'); }
  get source() { return this.#text('source'); }
  get type() { return this.#text('type'); }
  get subject() { return this.#text('subject'); }
  get dataschema() { return this.#text('dataschema'); }
  get datacontenttype() { return this.#metadata.get('Content-Type')[0]; }

  get time() {
    const text = this.#text('time');
    return text === undefined ? undefined : new Date(text);
  }

  #text(name) {
    return this.#metadata.get(EVENT_PREFIX + name).find((value) => typeof value === 'string');
  }
}

export class Metadata {
  #entries = [];

  constructor(entries = []) {
    const pairs = Symbol.iterator in entries ? entries : Object.entries(entries);
    for (const [key, value] of pairs) this.add(key, value);
  }

  static fromProtocol(message) {
    const metadata = new Metadata();
    for (const entry of message?.entries ?? []) {
      metadata.#entries.push([entry.key, entry.value === 'bytesValue' ? entry.bytesValue : entry.stringValue]);
    }
    return metadata;
  }

  toProtocol() {
    if (this.#entries.length === 0) return undefined;
    return {
      entries: this.#entries.map(([key, value]) => (
        typeof value === 'string' ? { key, stringValue: value } : { key, bytesValue: value })),
    };
  }

  /** All values of the key, in order. */
  get(key) {
    const wanted = key.toLowerCase();
    return this.#entries.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  }

  has(key) {
    return this.get(key).length > 0;
  }

  /** Adds a value beside those the key has. */
  add(key, value) {
    if (typeof key !== 'string' || key === '') throw new TypeError('a metadata key is a text');
    const isText = typeof value === 'string';
    if (!isText && !(value instanceof Uint8Array)) throw new TypeError(`the value of ${key} is neither text nor bytes`);
    this.#entries.push([key, value]);
    return this;
  }

  /** Puts the value in place of those the key has. */
  set(key, value) {
    return this.delete(key).add(key, value);
  }

  delete(key) {
    const unwanted = key.toLowerCase();
    this.#entries = this.#entries.filter(([name]) => name.toLowerCase() !== unwanted);
    return this;
  }

  clear() {
    this.#entries = [];
    return this;
  }

  get size() {
    return this.#entries.length;
  }

  get cloudevent() {
    return new CloudEvent(this);
  }

  [Symbol.iterator]() {
    return this.#entries.map((entry) => [...entry])[Symbol.iterator]();
  }
}
