/** What the demo says, and whether all of it was true. */
export class Stage {
  #failures = 0;
  #step = 0;

  /** A headline. */
  act(title: string): void {
    console.log(`\n${bold(`== ${title} ==`)}\n`);
  }

  /** What happens next, in a sentence. */
  step(text: string): void {
    this.#step++;
    console.log(`\n${bold(`${this.#step}. ${text}`)}`);
  }

  /** Text that a program printed, or a picture. */
  show(text: string): void {
    for (const line of text.trimEnd().split('\n')) console.log(`     ${line}`);
  }

  /** Something that must be so; what was seen is shown, and counts. */
  claim(text: string, seen: string, expected: string | RegExp): void {
    const holds = typeof expected === 'string' ? seen === expected : expected.test(seen);
    if (!holds) this.#failures++;
    console.log(`   ${holds ? green('✔') : red('✘')} ${text}: ${seen}${holds ? '' : ` (expected ${expected})`}`);
  }

  /** The exit status that tells the truth: 0 where every claim held. */
  finish(): number {
    const verdict =
      this.#failures === 0
        ? green('Everything shown here was checked, and held.')
        : red(`${this.#failures} claims did not hold.`);
    console.log(`\n${verdict}`);
    return this.#failures === 0 ? 0 : 1;
  }
}

const colours = process.stdout.isTTY && process.env.NO_COLOR === undefined;

function paint(code: number, text: string): string {
  return colours ? `\u001b[${code}m${text}\u001b[0m` : text;
}

function bold(text: string): string {
  return paint(1, text);
}

function green(text: string): string {
  return paint(32, text);
}

function red(text: string): string {
  return paint(31, text);
}
