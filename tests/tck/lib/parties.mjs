// The programs of this tree that the kit starts itself: the gateway and the functions.
import { fileURLToPath } from 'node:url';
import { World } from '../../integration/node/harness.mjs';
import { Bench } from './run.mjs';

const FUNCTIONS = {
  C: (world) => world.userFunction('tests/tck/function-c/tck-function', {}),
  Node: (world) => world.userFunction(process.execPath, {}, [fileURLToPath(new URL('../function-js/index.js', import.meta.url))]),
};

export const languages = Object.keys(FUNCTIONS);

export class Parties {
  constructor() {
    this.world = new World();
  }

  async startFunction(language) {
    const program = await FUNCTIONS[language](this.world);
    this.programs = [program];
    return `127.0.0.1:${program.port}`;
  }

  async startGateway(functionPort) {
    const program = await this.world.gateway({ functionPort, env: { HEADGATE_HTTP_ERRORS: 'cloudstate' } });
    this.programs = [...(this.programs ?? []), program];
    return `127.0.0.1:${program.port}`;
  }

  /** What the programs said. */
  get output() {
    return (this.programs ?? []).flatMap(({ lines }) => lines);
  }

  async end() {
    this.bench?.close();
    await this.world.end();
  }

  /** All of it: what is not given is started. port is that of the interceptor. */
  async meet({ language, functionAddress, proxyAddress, port }) {
    this.bench = new Bench(functionAddress ?? await this.startFunction(language));
    const bound = await this.bench.listen(proxyAddress ? '0.0.0.0' : '127.0.0.1', port);
    return this.bench.meet(proxyAddress ?? await this.startGateway(bound));
  }
}
