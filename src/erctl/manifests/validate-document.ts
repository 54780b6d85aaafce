import * as z from 'zod/mini';

/** What `erctl validate --output json` prints. */
export const validateDocumentSchema = z.object({
  schema: z.literal('erctl.validate/v1'),
  valid: z.boolean(),
  files: z.array(
    z.object({
      file: z.string(),
      documents: z.array(
        z.object({
          title: z.string(),
          /** `skipped`: nothing that an egress router or the ingress agent reads. */
          outcome: z.enum(['valid', 'invalid', 'skipped']),
          problems: z.array(
            z.object({
              path: z.string(),
              value: z.string(),
              cure: z.string(),
              /** Counted from 1; absent where it is not known. */
              line: z.optional(z.number()),
            }),
          ),
        }),
      ),
    }),
  ),
});

export type ValidateDocument = z.output<typeof validateDocumentSchema>;
export type ValidatedFile = ValidateDocument['files'][number];
