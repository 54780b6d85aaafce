import { execa, execaSync } from 'execa';

/**
 * Loopback addresses that can be made silent: what is sent there is dropped, as for a machine that lost its
 * power. Packets to these addresses alone are touched, whatever namespace the test runs in.
 */
export class SilentAddresses {
  readonly #table = `egress-router-test-${process.pid}`;

  constructor() {
    const table = `ip ${this.#table}`;
    const lines = [
      `add table ${table}`,
      `add set ${table} silent { type ipv4_addr; }`,
      `add set ${table} probed { type ipv4_addr; size 1024; flags dynamic; }`,
      `add chain ${table} input { type filter hook input priority 0; }`,
      // Probes go to ports that no redirect uses, which are low ones.
      `add rule ${table} input ip daddr 127.64.0.0/10 tcp dport < 1024 tcp flags & (syn | ack) == syn update @probed { ip daddr counter }`,
      `add rule ${table} input ip daddr @silent drop`,
    ];
    execaSync('nft', ['-f', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** Silences an address of 127.0.0.0/8. */
  silence(address: string): void {
    execaSync('nft', ['add', 'element', 'ip', this.#table, 'silent', '{', address, '}']);
  }

  /** Lets it be heard again. */
  revive(address: string): void {
    execaSync('nft', ['delete', 'element', 'ip', this.#table, 'silent', '{', address, '}']);
  }

  /** How many connections to low ports of each address were attempted, silent ones included. */
  async attempts(): Promise<ReadonlyMap<string, number>> {
    const { stdout } = await execa('nft', ['-j', 'list', 'set', 'ip', this.#table, 'probed']);
    const { nftables } = JSON.parse(stdout) as {
      nftables: { set?: { elem?: { elem: { val: string; counter: { packets: number } } }[] } }[];
    };
    const elements = nftables.flatMap(({ set }) => set?.elem ?? []);
    return new Map(elements.map(({ elem: { val, counter } }) => [val, counter.packets]));
  }

  close(): void {
    execaSync('nft', ['delete', 'table', 'ip', this.#table]);
  }
}
