import { execaSync } from 'execa';

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
      `add chain ${table} input { type filter hook input priority 0; }`,
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

  close(): void {
    execaSync('nft', ['delete', 'table', 'ip', this.#table]);
  }
}
