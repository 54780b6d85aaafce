import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logLevels } from '../../../../src/egress/api/log-settings.ts';
import { openPluginLog } from '../../../../src/egress/cni/log/log.ts';
import { rotateAtBytes } from '../../../../src/egress/linux/log/log-file.ts';
import { openLogSink } from '../../../../src/egress/linux/log/log-sink.ts';
import type { LogLevel } from '../../../../src/egress/model/attachment.ts';

const clock = () => Date.UTC(2021, 3, 26, 12, 27, 20, 999);
const time = '2021-04-26T12:27:20Z';

describe('the plugin log', () => {
  let folder: string;
  let file: string;
  const open = (level: LogLevel = 'debug', wanted = file) => {
    const policy = { defaultFile: file, ownFolder: join(folder, 'own'), configuration: join(folder, 'config.json') };
    return openPluginLog(openLogSink(wanted, policy), level, clock);
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'egress-router-log-'));
    file = join(folder, 'log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes the documented lines', () => {
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
    it(`keeps at level ${level} messages of at least this severity`, () => {
      const log = open(level);
      for (const name of logLevels) log[name](name);
      log.debugAll(['all']);
      const lines = logLevels.slice(0, index + 1).map((name) => `${time} [${name}] ${name}\n`);
      assert.equal(readFileSync(file, 'utf8'), lines.join('') + (level === 'debug' ? `${time} [debug] all\n` : ''));
    });
  }

  it('writes a message of several lines as a single line', () => {
    const log = open();
    log.debugAll(['one', 'two', 'three\nfour']);
    log.debugAll([]);
    assert.equal(
      readFileSync(file, 'utf8'),
      `${time} [debug] one\n${time} [debug] two\n${time} [debug] three\\u000afour\n`,
    );
  });

  it('does not allow forged lines', () => {
    const log = open();
    log.debug(`master "x"\n${time} [debug] Called CNI DEL\r\u2028\u001b[2J`);
    assert.equal(
      readFileSync(file, 'utf8'),
      `${time} [debug] master "x"\\u000a${time} [debug] Called CNI DEL\\u000d\\u2028\\u001b[2J\n`,
    );
  });

  it('appends to an existing file', () => {
    writeFileSync(file, `${time} [debug] before\n`);
    open().debug('after');
    assert.equal(readFileSync(file, 'utf8'), `${time} [debug] before\n${time} [debug] after\n`);
  });

  it('can be read by every user and written by its owner only', () => {
    open().debug('x');
    assert.equal(statSync(file).mode & 0o777, 0o644);
  });

  it('completes the partial line of a killed writer', () => {
    writeFileSync(file, `${time} [debug] before\n${time} [deb`);
    open().debug('after');
    assert.equal(readFileSync(file, 'utf8'), `${time} [debug] before\n${time} [deb\n${time} [debug] after\n`);
  });

  /** Nothing is written, nothing fails, and the reason is available. */
  function assertRefused(reason: RegExp): void {
    const log = open();
    log.panic('x');
    log.debugAll(['y']);
    log.close();
    assert.match(log.problem ?? '', reason);
  }

  it('does not follow a planted link', () => {
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, file);
    assertRefused(/^Cannot write the log .*: it is a symbolic link \(ELOOP\); remove it$/);
    assert.equal(readFileSync(victim, 'utf8'), 'untouched');
  });

  it('does not create the target of a planted link', () => {
    symlinkSync(join(folder, 'nowhere'), file);
    assertRefused(/ELOOP/);
    assert.equal(existsSync(join(folder, 'nowhere')), false);
  });

  it('does not write into a file with a second hard link', () => {
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
    assertRefused(/it is not a regular file; remove it/);
  });

  for (const [name, mode] of [
    ['others may write', 0o666],
    ['can be executed', 0o755],
    ['runs as its owner', 0o4644],
  ] as const) {
    it(`does not write into a file that ${name}`, () => {
      writeFileSync(file, '');
      chmodSync(file, mode);
      assertRefused(/its mode is \d+, not 644; remove it/);
      assert.equal(statSync(file).size, 0);
    });
  }

  for (const text of ['precious\n', '2021-04-26 12:27:20 [debug] x\n', '\u0000'.repeat(100)]) {
    it(`does not write into a file with a different beginning: ${JSON.stringify(text.slice(0, 12))}`, () => {
      writeFileSync(file, text);
      assertRefused(/its first line is not one of this log; remove the file/);
      assert.equal(readFileSync(file, 'utf8'), text);
    });
  }

  it('tolerates a missing folder, or a folder in place of the file', () => {
    file = join(folder, 'missing', 'log');
    assertRefused(/ENOENT/);
    file = join(folder, 'folder');
    mkdirSync(file);
    assertRefused(/EISDIR/);
  });

  it('renames a large file once', () => {
    writeFileSync(file, `${time} [debug] old\n`);
    truncateSync(file, rotateAtBytes + 1);
    open().debug('new');
    open().debug('newer');
    assert.equal(readFileSync(file, 'utf8'), `${time} [debug] new\n${time} [debug] newer\n`);
    assert.equal(statSync(`${file}.1`).size, rotateAtBytes + 1);
    assert.equal(existsSync(`${file}.2`), false);
  });

  it('does not rename a file below the limit', () => {
    writeFileSync(file, `${time} [debug] old\n`);
    truncateSync(file, rotateAtBytes);
    open().debug('x');
    assert.equal(existsSync(`${file}.1`), false);
  });

  for (const [name, plant] of [
    ['a link', (path: string): unknown => symlinkSync(join(folder, 'victim'), path)],
    ["another user's file", (path: string): unknown => writeFileSync(path, 'precious\n')],
    ['a folder', (path: string): unknown => mkdirSync(path)],
  ] as const) {
    it(`continues in the large file if ${name} has the name of the renamed file`, () => {
      writeFileSync(file, `${time} [debug] old\n`);
      truncateSync(file, rotateAtBytes + 1);
      plant(`${file}.1`);
      const before = lstatSync(`${file}.1`);
      open().debug('new');
      assert.deepEqual([lstatSync(`${file}.1`).ino, lstatSync(`${file}.1`).size], [before.ino, before.size]);
      assert.equal(existsSync(join(folder, 'victim')), false);
      assert.match(readFileSync(file, 'utf8'), /new\n$/);
    });
  }

  it('keeps lines whole with many concurrent writers', () => {
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

  describe('a configured log file', () => {
    const asked = (wanted: string): string => {
      const log = open('panic', wanted);
      log.panic('x');
      log.close();
      assert.equal(log.problem, undefined);
      return readFileSync(log.file, 'utf8');
    };
    const configure = (text: string, mode = 0o644): void => {
      writeFileSync(join(folder, 'config.json'), text);
      chmodSync(join(folder, 'config.json'), mode);
    };

    it("is created in the plugin's own folder, which is created too", () => {
      assert.equal(asked(join(folder, 'own', 'a')), `${time} [panic] x\n`);
      assert.ok(existsSync(join(folder, 'own', 'a')));
    });

    it('is created in a folder that the administrator added', () => {
      mkdirSync(join(folder, 'added'));
      configure(JSON.stringify({ logFolders: [join(folder, 'added')], others: 5 }));
      assert.equal(asked(join(folder, 'added', 'a')), `${time} [panic] x\n`);
      assert.equal(existsSync(file), false);
    });

    for (const wanted of ['victim', 'own/../victim', 'own', 'ownvictim', 'own//victim', 'own/./victim']) {
      it(`is not written to another place, which is logged at any level: ${wanted}`, () => {
        const path = `${folder}/${wanted}`;
        const head = `${time} [error] log_file ${JSON.stringify(path)}: is not in a folder that this node allows`;
        assert.ok(asked(path).startsWith(head));
        assert.match(readFileSync(file, 'utf8'), /; writing to \S+ instead\n\S+ \[panic\] x\n$/);
        assert.equal(existsSync(join(folder, 'victim')), false);
        assert.equal(existsSync(join(folder, 'own')), false);
      });
    }

    it('is not written through a linked folder', () => {
      mkdirSync(join(folder, 'elsewhere'));
      symlinkSync(join(folder, 'elsewhere'), join(folder, 'own'));
      assert.match(
        asked(join(folder, 'own', 'a')),
        /^\S+ \[error\] log_file \S+: cannot be written: .*(ELOOP|ENOTDIR)/,
      );
      assert.equal(existsSync(join(folder, 'elsewhere', 'a')), false);
    });

    const folders = (): string => JSON.stringify({ logFolders: [folder] });
    const unusable: { name: string; make: () => void; says: RegExp }[] = [
      {
        name: 'that others may write',
        make: () => configure(folders(), 0o666),
        says: /is ignored: it must be/,
      },
      {
        name: 'of another user',
        make: () => {
          configure(folders());
          chownSync(join(folder, 'config.json'), 65534, 65534);
        },
        says: /is ignored: it must be/,
      },
      { name: 'that is no JSON', make: () => configure('{'), says: /is ignored/ },
      { name: 'with relative paths', make: () => configure('{"logFolders":["../x"]}'), says: /absolute paths/ },
      {
        name: 'that is a link',
        make: () => {
          writeFileSync(join(folder, 'other.json'), folders());
          symlinkSync(join(folder, 'other.json'), join(folder, 'config.json'));
        },
        says: /is ignored: .*ELOOP/,
      },
    ];
    for (const { name, make, says } of unusable) {
      it(`ignores a node configuration ${name}`, () => {
        make();
        assert.match(asked(join(folder, 'victim')), says);
        assert.equal(existsSync(join(folder, 'victim')), false);
      });
    }

    it('falls back to the default if the file in the allowed folder is not of this program', () => {
      mkdirSync(join(folder, 'own'));
      writeFileSync(join(folder, 'own', 'notes'), 'precious\n');
      assert.match(asked(join(folder, 'own', 'notes')), /cannot be written: its first line is not one of this log/);
      assert.equal(readFileSync(join(folder, 'own', 'notes'), 'utf8'), 'precious\n');
    });
  });
});
