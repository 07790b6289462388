// Puts the .proto files of the tree into the package while npm packs it: idl.js copy | remove.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

const from = fileURLToPath(new URL('../../../proto/idl', import.meta.url));
const to = fileURLToPath(new URL('../proto', import.meta.url));

fs.rmSync(to, { recursive: true, force: true });
if (process.argv[2] === 'copy') {
  for (const part of ['cloudstate', 'google']) {
    fs.cpSync(`${from}/${part}`, `${to}/${part}`, { recursive: true });
  }
}
