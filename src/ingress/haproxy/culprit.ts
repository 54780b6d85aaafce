import { certificateFile } from './command.ts';
import type { Content, Files } from './files.ts';
import type { Certificate, HttpState } from './model.ts';
import type { Refusal } from './sift.ts';

/** A part of a state with its name in error messages. */
export interface Suspect {
  readonly refusal: Omit<Refusal, 'reason'>;
  readonly part: object;
}

/** Returns HAProxy's messages about an invalid configuration, without those about the process. */
export function readAlerts(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('[ALERT]'))
    .map((line) => line.replace(/^\[ALERT\]\s+\(\d+\) : (?:config : )?/, ''))
    .filter((line) => !/^(?:Error\(s\) found in|Fatal errors found)/.test(line));
}

/** Returns the parts that HAProxy names by file and line, or by certificate file. */
export function accuse(alerts: readonly string[], files: Files, state: HttpState): Map<object, Refusal> {
  const accused = new Map<object, Refusal>();
  let certificates: Map<string, Certificate> | undefined;
  // Rendering a file of backends takes time, and each may have thousands of alerts.
  const known = new Map<string, readonly SectionStart[]>();
  const sectionsOf = (path: string): readonly SectionStart[] => {
    const sections = known.get(path) ?? listSections(files.get(path));
    known.set(path, sections);
    return sections;
  };
  for (const alert of alerts) {
    const place = /parsing \[[^\]]*?(conf\/30-backends-\d+\.cfg):(\d+)\]/.exec(alert);
    const id = sectionsOf(place?.[1] ?? '').findLast(({ line }) => line <= Number(place?.[2]))?.id;
    const backend = id === undefined ? undefined : state.backends.get(id);
    const reason = alert.replace(/^parsing \[[^\]]*\] ?: ?/, '').slice(0, 500);
    if (backend !== undefined) accused.set(backend, { kind: 'backend', name: backend.id, reason });
    for (const [file] of alert.matchAll(/certs\/[A-Za-z0-9_.+-]+\.pem/g)) {
      certificates ??= new Map([...state.certificates.values()].map((one) => [certificateFile(one.name), one]));
      const certificate = certificates.get(file);
      if (certificate !== undefined) {
        accused.set(certificate, { kind: 'certificate', name: certificate.name, reason });
      }
    }
  }
  return accused;
}

/** The first line of a section, counted from 1, and the ID of its backend. */
interface SectionStart {
  readonly line: number;
  readonly id: string;
}

/** Lists the sections of a file in order. A spare section has its backend's ID in a comment. */
function listSections(content: Content | undefined): readonly SectionStart[] {
  const text = typeof content === 'function' ? [...content()].join('') : (content ?? '');
  return text.split('\n').flatMap((each, index): readonly SectionStart[] => {
    const [, section, id = section] = /^backend (\S+) from \S+(?: # (\S+))?/.exec(each) ?? [];
    return id === undefined ? [] : [{ line: index + 1, id }];
  });
}

/**
 * Finds one part that makes HAProxy reject a state, or undefined if the settings are at fault. A rule of a virtual host is
 * rendered only together with its backends, so virtual hosts are searched with all other parts.
 *
 * @param passes whether HAProxy accepts a state
 */
export async function findFault(
  state: HttpState,
  passes: (state: HttpState) => Promise<boolean>,
): Promise<Suspect | undefined> {
  if (!(await passes(keepOnly(state, [])))) return undefined;
  const hosts = listHosts(state);
  const others = listParts(state);
  if (hosts.length > 0 && (await passes(keepOnly(state, others)))) {
    return await findCulprit(hosts, async (some) => await passes(keepOnly(state, [...others, ...some])));
  }
  return await findCulprit(others, async (some) => await passes(keepOnly(state, some)));
}

/**
 * Finds by bisection one part that makes HAProxy reject the rest, or undefined if there is none. `passes` checks a
 * state with only these suspects.
 */
async function findCulprit(
  suspects: readonly Suspect[],
  passes: (some: readonly Suspect[]) => Promise<boolean>,
): Promise<Suspect | undefined> {
  let rest = suspects;
  while (rest.length > 1) {
    const half = rest.slice(0, rest.length >> 1);
    rest = (await passes(half)) ? rest.slice(half.length) : half;
  }
  const [last] = rest;
  return last !== undefined && !(await passes([last])) ? last : undefined;
}

/** Returns all parts of a state that could be invalid. */
export function listSuspects(state: HttpState): Suspect[] {
  return [...listParts(state), ...listHosts(state)];
}

function listHosts({ gateways }: HttpState): Suspect[] {
  return Array.from(gateways.hosts.values(), (part): Suspect => {
    return { part, refusal: { kind: 'virtual host', name: part.key } };
  });
}

function listParts(state: HttpState): Suspect[] {
  return [
    ...[...state.certificates.values()].map(
      (part): Suspect => ({ part, refusal: { kind: 'certificate', name: part.name } }),
    ),
    ...[...state.sites.values()].map((part): Suspect => ({ part, refusal: { kind: 'site', name: part.host } })),
    ...[...state.backends.values()].map((part): Suspect => ({ part, refusal: { kind: 'backend', name: part.id } })),
  ];
}

/** Returns a state with only some of its suspects. */
function keepOnly(state: HttpState, some: readonly Suspect[]): HttpState {
  const kept = new Set(some.map(({ part }) => part));
  const filter = <V extends object>(parts: ReadonlyMap<string, V>): ReadonlyMap<string, V> =>
    new Map([...parts].filter(([, part]) => kept.has(part)));
  return {
    ...state,
    certificates: filter(state.certificates),
    sites: filter(state.sites),
    backends: filter(state.backends),
    gateways: { ...state.gateways, hosts: filter(state.gateways.hosts) },
  };
}
