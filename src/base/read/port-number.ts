import * as z from 'zod/mini';

const cure = 'must be a port from 1 to 65535';

/** A port as a number of JSON. */
export const portNumber = z.number(cure).check(z.int(cure), z.gte(1, cure), z.lte(65535, cure));
