import * as z from 'zod/mini';

const cure = 'must be a port from 1 to 65535';

/** Schema of a port as a JSON number. */
export const portNumber = z.number(cure).check(z.int(cure), z.gte(1, cure), z.lte(65535, cure));
