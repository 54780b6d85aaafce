import { execa } from 'execa';

/** A running `tcpdump`. */
export interface Capture {
  /** How many packets it has shown so far. */
  readonly seen: number;
  /** Ends it; returns one line for each packet. */
  stop(): Promise<string[]>;
}

/** Captures packets of an interface; returns once the capture is on. Throws where it cannot be. */
export async function startCapture(netns: string, link: string, filter: string): Promise<Capture> {
  const child = execa(
    'ip',
    ['netns', 'exec', netns, 'tcpdump', '-i', link, '-nn', '-e', '-l', '--immediate-mode', filter],
    {
      reject: false,
      stdin: 'ignore',
    },
  );
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (data: Buffer) => {
      said += data.toString();
      if (said.includes('listening on')) resolve();
    });
    void child.then(() => reject(new Error(`Cannot capture on ${link} in ${netns}: ${said}`)));
  });
  let seen = 0;
  child.stdout.on('data', (data: Buffer) => {
    seen += data.toString().split('\n').length - 1;
  });
  return {
    get seen() {
      return seen;
    },
    stop: async () => {
      // What is on its way through the kernel's ring must arrive first.
      await new Promise((resolve) => setTimeout(resolve, 150));
      child.kill('SIGINT');
      const { stdout } = await child;
      return stdout.split('\n').filter((line) => line !== '');
    },
  };
}
