import type { Family } from '../../base/model/address.ts';
import { type Protocol, protocols, type RedirectSet } from '../../base/model/redirect.ts';
import type { Match, Rule, SharedPort, SharedTable } from '../../base/model/rules.ts';

/** Returns the ports of names. Every reserved family redirects to a name, whether the name has an address of that family or not. */
export function sharedTable(set: RedirectSet, family: Family, protocol: Protocol): SharedTable[] {
  const { named = [], sharing = 'roundrobin' } = set;
  const entries = named
    .filter((one) => one.protocol === protocol)
    .sort((one, other) => one.port - other.port)
    .map((one): [number, SharedPort] => [
      one.port,
      {
        targets: one.targets
          .filter((address) => address.family === family)
          .map((address) => ({ address, port: one.targetPort ?? one.port })),
        sharing,
      },
    ]);
  return entries.length === 0 ? [] : [{ family, protocol, entries: new Map(entries) }];
}

/** Redirects connections to the addresses of names, the fallback last. */
export function redirectNames(set: RedirectSet, family: Family, toPod: readonly Match[]): Rule[] {
  const { named = [], fallbackName, sharing = 'roundrobin' } = set;
  const used = protocols.filter((protocol) => named.some((one) => one.protocol === protocol));
  const targets = fallbackName?.targets.filter((address) => address.family === family) ?? [];
  return [
    ...used.map(
      (protocol): Rule => ({
        family,
        matches: [...toPod, { on: 'protocol', protocol }],
        action: { do: 'redirect-shared', table: { family, protocol } },
      }),
    ),
    ...(targets.length === 0
      ? []
      : [
          {
            family,
            matches: toPod,
            action: { do: 'share', targets: targets.map((address) => ({ address })), sharing },
          } satisfies Rule,
        ]),
  ];
}

/** Refuses ports of names without an address, also if another program of the pod listens on them. */
export function refuseUnresolved({ named = [] }: RedirectSet, family: Family, podLink: string): Rule[] {
  return named
    .filter(({ targets }) => !targets.some((address) => address.family === family))
    .map(
      ({ protocol, port }): Rule => ({
        family,
        matches: [
          { on: 'incoming', link: podLink },
          { on: 'ports', protocol, from: port, to: port },
          { on: 'state', states: ['new'] },
        ],
        action: { do: 'reject', with: protocol === 'tcp' ? 'tcp-reset' : 'port-unreachable' },
      }),
    );
}
