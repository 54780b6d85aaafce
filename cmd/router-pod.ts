#!/usr/bin/env node
/** The program of the router pod. */
import { readPodView } from '../src/egress/linux/pod-view.ts';
import { runPodProgram } from '../src/egress/pod/main.ts';

runPodProgram(process.argv.slice(2), readPodView);
