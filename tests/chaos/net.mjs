// Where the programs of a run meet: network namespaces with a bridge for each sort of traffic, which can be
// cut one by one; or, where namespaces are not permitted, loopback with the relays as the only cuts.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const PREFIX = 'hgchaos';
// Of which a node has the address 10.77.<n>.<its number>; peers, redis and clients do not see each other.
const BRIDGES = { peer: 1, redis: 2, client: 3 };

const ip = (...words) => execFileSync('ip', words, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });

function quietly(body) {
  try { return body(); } catch { return undefined; }
}

// What runs that were killed themselves have left: their processes and their namespaces.
function sweep() {
  for (const line of (quietly(() => ip('netns', 'list')) ?? '').split('\n')) {
    const [, name, pid] = /^(hgchaos(\d+)-\S+)/.exec(line) ?? [];
    if (!name || fs.existsSync(`/proc/${pid}`)) continue;
    for (const left of ip('netns', 'pids', name).split('\n').filter(Boolean)) quietly(() => process.kill(Number(left), 'SIGKILL'));
    quietly(() => ip('netns', 'del', name));
  }
}

export class Namespaces {
  constructor() {
    sweep();
    this.prefix = `${PREFIX}${process.pid}-`;
    this.names = [];
    this.cuts = new Set();
    this.hub = this.add('hub');
    for (const bridge of Object.keys(BRIDGES)) {
      ip('-n', this.hub, 'link', 'add', 'name', bridge, 'type', 'bridge');
      ip('-n', this.hub, 'link', 'set', bridge, 'up');
    }
  }

  // Why there can be none, or undefined.
  static refusal() {
    try {
      const name = `${PREFIX}${process.pid}-try`;
      ip('netns', 'add', name);
      try {
        ip('-n', name, 'link', 'add', 'name', 'bridge0', 'type', 'bridge');
        ip('-n', name, 'link', 'add', 'name', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1');
      } finally {
        ip('netns', 'del', name);
      }
      return undefined;
    } catch (error) {
      return String(error.stderr || error.message).trim().split('\n')[0];
    }
  }

  add(name) {
    const full = this.prefix + name;
    ip('netns', 'add', full);
    this.names.push(full);
    ip('-n', full, 'link', 'set', 'lo', 'up');
    return full;
  }

  // A node on some of the bridges; gives its addresses there.
  node(name, number, bridges) {
    const full = this.add(name);
    const addresses = {};
    for (const bridge of bridges) {
      addresses[bridge] = `10.77.${BRIDGES[bridge]}.${number}`;
      ip('-n', this.hub, 'link', 'add', 'name', `${bridge}-${name}`, 'type', 'veth', 'peer', 'name', bridge, 'netns', full);
      ip('-n', this.hub, 'link', 'set', `${bridge}-${name}`, 'master', bridge, 'up');
      ip('-n', full, 'addr', 'add', `${addresses[bridge]}/24`, 'dev', bridge);
      ip('-n', full, 'link', 'set', bridge, 'up');
    }
    return addresses;
  }

  // The words before a command that runs at a node.
  at(name) {
    return ['ip', 'netns', 'exec', this.prefix + name];
  }

  // A node loses one of its bridges, and everybody on it.
  cut(name, bridge) {
    ip('-n', this.hub, 'link', 'set', `${bridge}-${name}`, 'nomaster');
  }

  heal(name, bridge) {
    ip('-n', this.hub, 'link', 'set', `${bridge}-${name}`, 'master', bridge);
  }

  // What a node sends to an address is thrown away; what comes from there arrives.
  silence(name, address) {
    ip('-n', this.prefix + name, 'route', 'add', 'blackhole', address);
  }

  speak(name, address) {
    ip('-n', this.prefix + name, 'route', 'del', 'blackhole', address);
  }

  end() {
    for (const name of this.names.splice(0)) quietly(() => ip('netns', 'del', name));
  }
}

export class Loopback {
  node(name, number, bridges) {
    return Object.fromEntries(bridges.map((bridge) => [bridge, '127.0.0.1']));
  }

  at() {
    return [];
  }

  end() {}
}

// A file system of its own that can become full: mount fails where that is not permitted.
export class Disk {
  constructor(dir) {
    this.dir = dir;
    fs.mkdirSync(dir, { recursive: true });
    this.isOwn = quietly(() => execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6g,mode=0700', PREFIX, dir], { stdio: 'pipe' })) !== undefined;
  }

  resize(size) {
    execFileSync('mount', ['-o', `remount,size=${size}`, this.dir], { stdio: 'pipe' });
  }

  // So that only bytes more fit.
  fill(bytes) {
    const { blocks, bfree, bsize } = fs.statfsSync(this.dir);
    this.resize((blocks - bfree) * bsize + bytes);
  }

  free() {
    this.resize('6g');
  }

  end() {
    if (this.isOwn) quietly(() => execFileSync('umount', ['-l', this.dir], { stdio: 'pipe' }));
  }
}
