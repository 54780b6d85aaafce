/** Beginnings of the lines that describe differences between installed and desired rules; the rule follows. */
export const differenceStarts = {
  missing: 'rule is missing: ',
  foreign: 'unexpected rule: ',
  order: 'rules are out of order, beginning with: ',
} as const;

/** Returns the rule of a line that describes a difference. */
export function ruleOfDifference(line: string): string {
  const start = Object.values(differenceStarts).find((one) => line.startsWith(one)) ?? '';
  return line.slice(start.length);
}
