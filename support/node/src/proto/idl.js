// Where the .proto files stand that everybody imports: cloudstate/*.proto, google/api/*.proto and so on.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const library = fileURLToPath(new URL('../..', import.meta.url));

// In a package they stand beside src/; in the tree of the gateway there is one copy for all.
export const idlDir = [path.join(library, 'proto'), path.join(library, '../../proto/idl')]
  .find((dir) => fs.existsSync(path.join(dir, 'cloudstate/entity.proto')));
