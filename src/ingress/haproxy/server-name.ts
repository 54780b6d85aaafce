import { hash } from 'node:crypto';

/** Returns the name of a server: the value that OpenShift's router uses in cookies. */
export function serverName(id: string): string {
  return hash('md5', id);
}
