const steps = ['', ' k', ' M', ' G', ' T', ' P'] as const;

/** Formats a count: `1234`, `56.7 k`. */
export function formatCount(count: number): string {
  return count < 10_000 ? `${count}` : scale(count);
}

/** Formats bytes with powers of 1000: `999 B`, `1.2 kB`, `34 MB`. */
export function formatBytes(bytes: number): string {
  return bytes < 999.5 ? `${Math.round(bytes)} B` : `${scale(bytes)}B`;
}

function scale(value: number): string {
  let rest = value;
  let step = 0;
  // A value that would be rounded to four digits uses the next unit.
  while (rest >= 999.5 && step < steps.length - 1) {
    rest /= 1000;
    step++;
  }
  return `${rest < 9.95 ? rest.toFixed(1) : Math.round(rest)}${steps[step]}`;
}
