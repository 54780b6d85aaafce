import * as z from 'zod/mini';

/** Document of `erctl migrate --output json`. */
export const migrateDocumentSchema = z.object({
  schema: z.literal('erctl.migrate/v1'),
  origin: z.enum(['ingress-nginx', 'haproxy-ingress', 'openshift']),
  objects: z.array(
    z.object({
      file: z.string(),
      /** Kind and name: `Ingress shop/web`. */
      title: z.string(),
      /**
       * `works`: as before. `differs`: with differences. `partly`: functions are missing. `refused`: not served, or
       * answered with 503. `invalid`: not readable. `skipped`: not an object of this kind.
       */
      verdict: z.enum(['works', 'differs', 'partly', 'refused', 'invalid', 'skipped']),
      /** Hosts that the object requests; `*` means all. */
      hosts: z.array(z.string()),
      findings: z.array(
        z.object({
          /** Annotation, or JSON path of a field. */
          subject: z.string(),
          value: z.optional(z.string()),
          outcome: z.enum(['works', 'differs', 'ignored', 'refused', 'closed']),
          /** Absent if the outcome is `works`. */
          message: z.optional(z.string()),
          /** The replacement to write. */
          suggestion: z.optional(z.string()),
          /** Line number, starting at 1. Absent if unknown. */
          line: z.optional(z.number()),
        }),
      ),
    }),
  ),
});

export type MigrateDocument = z.output<typeof migrateDocumentSchema>;
export type MigratedObject = MigrateDocument['objects'][number];
export type MigrateFinding = MigratedObject['findings'][number];
export type MigrateOrigin = MigrateDocument['origin'];
