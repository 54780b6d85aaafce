import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { Command } from 'commander';
import { makeProgram } from '../../../src/erctl/program.ts';
import { assertGolden } from '../../golden.ts';
import { call } from './call.ts';

const program = makeProgram('1.2.3', {
  console: { screen: { colour: false }, rows: 24, isTerminal: false, out: () => {}, err: () => {}, read: () => '' },
  finish: () => {},
});
const commands = program.commands.map((command) => command.name());

describe('the command line of erctl', () => {
  it('has help for every command, with examples', async () => {
    const pages = [await call(['--help'])];
    for (const name of commands) {
      const page = await call([name, '--help']);
      assert.match(page.out, /Examples:\n {2}\$ (?:erctl|source)/, name);
      pages.push(page);
    }
    assert.deepEqual(new Set(pages.map(({ status, err }) => `${status}${err}`)), new Set(['0']));
    assertGolden('erctl/help.txt', pages.map(({ out }) => out).join('\n────\n'));
  });

  it('prints its version', async () => {
    assert.deepEqual(await call(['--version']), { status: 0, out: '1.2.3\n', err: '' });
  });

  const mistakes: { args: string[]; says: RegExp }[] = [
    { args: [], says: /Usage: erctl/ },
    { args: ['inspct'], says: /unknown command 'inspct'\n\(Did you mean inspect\?\)/ },
    { args: ['inspect', '--nets', 'x'], says: /unknown option '--nets'/ },
    { args: ['inspect', '--netns', '/nowhere'], says: /--netns "\/nowhere": no such network namespace/ },
    { args: ['inspect', '--pid', '1x'], says: /--pid "1x": must be the ID of a process/ },
    { args: ['inspect', '--pid', '1', '--netns', '/x'], says: /--netns and --pid both select the router/ },
    {
      args: ['inspect', '--pod', 'x'],
      says: /--pod "x": this pod has no egress router .* the format is NAMESPACE\/NAME/,
    },
    {
      args: ['inspect', '--attachment', 'nobody-has-this'],
      says: /--attachment "nobody-has-this": matches no attachment/,
    },
    { args: ['inspect', '--output', 'xml'], says: /Allowed choices are text, json/ },
    { args: ['inspect', '--netns', '/proc/self/ns/net'], says: /network namespace of erctl itself/ },
    { args: ['trace'], says: /--port is missing: set the port of the router, or --host/ },
    { args: ['trace', '--port', '0'], says: /Must be a port from 1 to 65535/ },
    { args: ['trace', '--port', '80', '--proto', 'icmp'], says: /Must be tcp, udp or sctp/ },
    { args: ['trace', '--port', '80', '--from', '10.1'], says: /Must be an IPv4 or IPv6 address/ },
    { args: ['trace', '--port', '80', '--proto', 'sctp', '--send'], says: /not supported for SCTP/ },
    { args: ['watch', '--interval', '0'], says: /Must be a number of seconds from 0\.1/ },
    { args: ['routes', '--agent', 'nonsense'], says: /--agent "nonsense": must be a URL/ },
    { args: ['routes', '--agent', 'http://127.0.0.1:9'], says: /No ingress agent answers at http:\/\/127\.0\.0\.1:9/ },
    { args: ['schema', 'everything'], says: /Allowed choices are addresses, inspect, list/ },
    { args: ['completion', 'csh'], says: /Allowed choices are bash, zsh, fish/ },
  ];
  for (const { args, says } of mistakes) {
    it(`explains the error in "erctl ${args.join(' ')}", with status 2`, async () => {
      const { status, out, err } = await call(args);
      assert.match(err, says);
      assert.equal(out, '');
      assert.equal(status, 2);
    });
  }

  it('prints no control character of an argument', async () => {
    const { err } = await call(['inspect', '--netns', '/\u001b[2J']);
    assert.ok(!err.includes('\u001b'));
    assert.ok(!(await call(['\u001b[2J'])).err.includes('\u001b'));
  });

  it('prints a JSON Schema for every command with --output json', async () => {
    const withOutput = (command: Command): boolean => command.options.some(({ long }) => long === '--output');
    for (const command of program.commands.filter(withOutput)) {
      const { status, out } = await call(['schema', command.name()]);
      assert.equal(status, 0);
      const schema = JSON.parse(out) as { properties: { schema: { const: string } }; additionalProperties?: unknown };
      assert.match(schema.properties.schema.const, new RegExp(`\\.(?:${command.name()}|claims|watch)/v1$`));
    }
    assertGolden('erctl/schema-inspect.txt', (await call(['schema', 'inspect'])).out);
  });
});

describe('completions of erctl', () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    it(`are written for ${shell}`, async () => {
      const { status, out } = await call(['completion', shell]);
      assert.equal(status, 0);
      for (const name of commands) assert.match(out, new RegExp(`\\b${name}\\b`));
      assertGolden(`erctl/completion.${shell}`, out);
    });
  }

  const lines: { line: string[]; offers: string }[] = [
    { line: ['erctl', 'in'], offers: 'inspect' },
    { line: ['erctl', 'inspect', '--no'], offers: '--no-probe' },
    { line: ['erctl', 'render', '--backend', ''], offers: 'iptables nftables' },
    { line: ['erctl', 'schema', 'wa'], offers: 'watch' },
    { line: ['erctl', 'completion', 'z'], offers: 'zsh' },
  ];
  for (const { line, offers } of lines) {
    it(`complete "${line.join(' ')}" in bash`, async () => {
      const { out } = await call(['completion', 'bash']);
      const script = `${out}\ncompopt() { :; }\nCOMP_WORDS=("$@")\nCOMP_CWORD=$(($# - 1))\n_erctl\necho "\${COMPREPLY[*]}"\n`;
      assert.equal(execFileSync('bash', ['-c', script, 'bash', ...line], { encoding: 'utf8' }).trim(), offers);
    });
  }
});
