#!/usr/bin/env node
/** erctl: reads the command line, runs it, and exits with its status. */
import { version } from '../src/base/daemon/version.ts';
import { openConsole } from '../src/erctl/console.ts';
import { runErctl } from '../src/erctl/program.ts';

void runErctl(process.argv.slice(2), version, openConsole(process.env)).then((code) => process.exit(code));
