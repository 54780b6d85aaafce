import * as z from 'zod/mini';

/** Document of `erctl validate --output json`. */
export const validateDocumentSchema = z.object({
  schema: z.literal('erctl.validate/v1'),
  valid: z.boolean(),
  files: z.array(
    z.object({
      file: z.string(),
      documents: z.array(
        z.object({
          title: z.string(),
          /** `skipped`: the object concerns neither an egress router nor the ingress agent. */
          outcome: z.enum(['valid', 'invalid', 'skipped']),
          problems: z.array(
            z.object({
              path: z.string(),
              value: z.string(),
              cure: z.string(),
              /** Line number, starting at 1. Absent if unknown. */
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
