import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logLevels } from '../../../src/api/log-settings.ts';
import { openPluginLog } from '../../../src/cni/log/log.ts';
import { appendText, type LogFile, rotateAtBytes } from '../../../src/cni/log/log-file.ts';
import type { LogLevel } from '../../../src/model/attachment.ts';

const clock = () => Date.UTC(2021, 3, 26, 12, 27, 20, 999);
const time = '2021-04-26T12:27:20Z';

describe('the plugin log', () => {
  let folder: string;
  let file: string;
  const open = (level: LogLevel = 'debug') => openPluginLog({ file, level }, clock);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'egress-router-log-'));
    file = join(folder, 'log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('has the lines of the documentation', () => {
    const log = open();
    log.debug('Called CNI ADD');
    log.debug('Renamed macvlan to "net1"');
    log.error('100% wrong: %s %d');
    log.close();
    assert.equal(
      readFileSync(file, 'utf8'),
      `${time} [debug] Called CNI ADD\n${time} [debug] Renamed macvlan to "net1"\n${time} [error] 100% wrong: %s %d\n`,
    );
    assert.equal(log.problem, undefined);
  });

  for (const [index, level] of logLevels.entries()) {
    it(`keeps at level ${level} what is at least as grave`, () => {
      const log = open(level);
      for (const name of logLevels) log[name](name);
      log.debugAll(['all']);
      const lines = logLevels.slice(0, index + 1).map((name) => `${time} [${name}] ${name}\n`);
      assert.equal(readFileSync(file, 'utf8'), lines.join('') + (level === 'debug' ? `${time} [debug] all\n` : ''));
    });
  }

  it('writes many lines as single ones', () => {
    const log = open();
    log.debugAll(['one', 'two', 'three\nfour']);
    log.debugAll([]);
    assert.equal(
      readFileSync(file, 'utf8'),
      `${time} [debug] one\n${time} [debug] two\n${time} [debug] three\\u000afour\n`,
    );
  });

  it('cannot be made to hold a forged line', () => {
    const log = open();
    log.debug(`master "x"\n${time} [debug] Called CNI DEL\r\u2028\u001b[2J`);
    assert.equal(
      readFileSync(file, 'utf8'),
      `${time} [debug] master "x"\\u000a${time} [debug] Called CNI DEL\\u000d\\u2028\\u001b[2J\n`,
    );
  });

  it('appends to what is there', () => {
    writeFileSync(file, 'before\n');
    open().debug('after');
    assert.equal(readFileSync(file, 'utf8'), `before\n${time} [debug] after\n`);
  });

  it('can be read by everybody and written by nobody else', () => {
    open().debug('x');
    assert.equal(statSync(file).mode & 0o777, 0o644);
  });

  it('takes the right to write from others who have it by mistake', () => {
    writeFileSync(file, '');
    chmodSync(file, 0o666);
    open().debug('x');
    assert.equal(statSync(file).mode & 0o777, 0o644);
  });

  /** Whatever is in the way: nothing is written, nothing fails, and the reason can be told. */
  function assertRefused(reason: RegExp): void {
    const log = open();
    log.panic('x');
    log.debugAll(['y']);
    log.close();
    assert.match(log.problem ?? '', reason);
  }

  it('does not follow a link that somebody planted', () => {
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, file);
    assertRefused(/^Cannot write the log .*: ELOOP/);
    assert.equal(readFileSync(victim, 'utf8'), 'untouched');
  });

  it('does not make the file that a planted link points to', () => {
    symlinkSync(join(folder, 'nowhere'), file);
    assertRefused(/ELOOP/);
    assert.equal(existsSync(join(folder, 'nowhere')), false);
  });

  it('does not write into a file with a second name', () => {
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'untouched');
    linkSync(victim, file);
    assertRefused(/^Cannot write the log .*: it has other names \(hard links\); remove it$/);
    assert.equal(readFileSync(victim, 'utf8'), 'untouched');
  });

  it('does not write into a file of another user', () => {
    writeFileSync(file, 'theirs');
    chownSync(file, 65534, 65534);
    assertRefused(/^Cannot write the log .*: (it belongs to another user; remove it|EACCES.*)$/);
    assert.equal(readFileSync(file, 'utf8'), 'theirs');
  });

  it('does not wait for the reader of a pipe', () => {
    execFileSync('mkfifo', [file]);
    assertRefused(/ENXIO/);
  });

  it('does not write into a device', () => {
    const log = openPluginLog({ file: '/dev/null', level: 'debug' }, clock);
    log.debug('x');
    assert.equal(log.problem, 'Cannot write the log /dev/null: it is not a regular file; remove it');
  });

  it('does without a folder that is not there, or a folder in its place', () => {
    file = join(folder, 'missing', 'log');
    assertRefused(/ENOENT/);
    file = join(folder, 'folder');
    mkdirSync(file);
    assertRefused(/EISDIR/);
  });

  it('goes on without a log when the disk is full', () => {
    const full: LogFile = { descriptor: openSync('/dev/full', 'w'), problem: undefined };
    appendText(full, 'x');
    appendText(full, 'y');
    assert.match(full.problem ?? '', /^Cannot write the log: ENOSPC/);
    assert.equal(full.descriptor, undefined);
  });

  it('sets a large file aside, once', () => {
    writeFileSync(file, 'old\n');
    truncateSync(file, rotateAtBytes + 1);
    open().debug('new');
    open().debug('newer');
    assert.equal(readFileSync(file, 'utf8'), `${time} [debug] new\n${time} [debug] newer\n`);
    assert.equal(statSync(`${file}.1`).size, rotateAtBytes + 1);
    assert.equal(existsSync(`${file}.2`), false);
  });

  it('does not set a file aside that is not too large', () => {
    writeFileSync(file, '');
    truncateSync(file, rotateAtBytes);
    open().debug('x');
    assert.equal(existsSync(`${file}.1`), false);
  });

  it('replaces a link planted where the old file goes', () => {
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, `${file}.1`);
    writeFileSync(file, '');
    truncateSync(file, rotateAtBytes + 1);
    open().debug('new');
    assert.equal(readFileSync(victim, 'utf8'), 'untouched');
    assert.equal(readFileSync(file, 'utf8'), `${time} [debug] new\n`);
  });

  it('goes on in the large file when it cannot be set aside', () => {
    writeFileSync(file, '');
    truncateSync(file, rotateAtBytes + 1);
    mkdirSync(`${file}.1`);
    open().debug('new');
    assert.equal(statSync(file).size, rotateAtBytes + 1 + `${time} [debug] new\n`.length);
  });

  it('keeps lines whole when many write at once', () => {
    const logs = Array.from({ length: 20 }, () => open());
    for (let round = 0; round < 50; round++) for (const log of logs) log.debugAll(['a'.repeat(100), 'b'.repeat(100)]);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, 2000);
    for (const line of lines) assert.match(line, /\[debug\] (?:a{100}|b{100})$/);
  });

  it('writes nothing after it was closed', () => {
    const log = open();
    log.debug('x');
    log.close();
    log.close();
    log.debug('y');
    assert.equal(readFileSync(file, 'utf8'), `${time} [debug] x\n`);
  });
});
