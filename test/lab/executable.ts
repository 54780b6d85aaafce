import { fileURLToPath } from 'node:url';

/** Returns the path of a compiled executable. `hack/build` makes it. */
export function executable(name: string): string {
  return fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
}
