import type { ReferenceChecks } from '../../../src/ingress/intent/references.ts';

/** No ConfigMap and no Secret exists. */
export const noReferences: ReferenceChecks = {
  authorities: (key, field) => ({ state: 'invalid', message: `${field} ${key}: this ConfigMap does not exist` }),
  clients: () => ({ state: 'invalid', message: 'this Secret does not exist' }),
  users: () => ({ state: 'invalid', message: 'this Secret does not exist' }),
  keyPair: (key, field) => ({ state: 'invalid', message: `${field} ${key}: this Secret does not exist` }),
};
