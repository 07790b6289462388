// The list of checks of a suite, and the names of services in a descriptor set.
import { decode } from './types.mjs';

class Suite {
  constructor(name) {
    this.name = name;
    this.checks = [];
  }

  // needs: full names of services without which the check is pending.
  #add(kind, name, needs, run, pending) {
    this.checks.push({ suite: this.name, kind, name, needs, run, pending });
  }

  /** A check in which the kit plays the proxy. */
  model(name, needs, run) {
    this.#add('M', name, needs, run);
  }

  /** A check in which the kit is a client of the proxy. */
  proxy(name, needs, run) {
    this.#add('P', name, needs, run);
  }

  pending(name, reason) {
    this.#add('P', name, [], undefined, reason);
  }
}

export const describe = (name) => new Suite(name);

export function servicesOf(bytes) {
  const { file } = decode('google.protobuf.FileDescriptorSet', bytes);
  return file.flatMap((one) => (one.service ?? []).map((service) => (one.package ? `${one.package}.${service.name}` : service.name)));
}
