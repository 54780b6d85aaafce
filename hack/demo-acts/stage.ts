/** Prints the demo and records whether every claim was true. */
export class Stage {
  #failures = 0;
  #step = 0;

  /** Prints a headline. */
  act(title: string): void {
    console.log(`\n${bold(`== ${title} ==`)}\n`);
  }

  /** Announces the next step in one sentence. */
  step(text: string): void {
    this.#step++;
    console.log(`\n${bold(`${this.#step}. ${text}`)}`);
  }

  /** Prints output of a program, or a picture. */
  show(text: string): void {
    for (const line of text.trimEnd().split('\n')) console.log(`     ${line}`);
  }

  /** Checks a claim and prints what was observed. */
  claim(text: string, seen: string, expected: string | RegExp): void {
    const holds = typeof expected === 'string' ? seen === expected : expected.test(seen);
    if (!holds) this.#failures++;
    console.log(`   ${holds ? green('✔') : red('✘')} ${text}: ${seen}${holds ? '' : ` (expected ${expected})`}`);
  }

  /** Returns the exit status: 0 if every claim was true. */
  finish(): number {
    const verdict =
      this.#failures === 0
        ? green('All claims above were checked and are true.')
        : red(`${this.#failures} claims are false.`);
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
