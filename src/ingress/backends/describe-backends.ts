import type { ServiceShare } from '../intent/service-share.ts';
import type { EndpointSlice, SlicePort } from '../objects/endpoint-slice.ts';
import type { Service } from '../objects/service.ts';
import { type EndpointFinder, type PortChoice, selectPorts } from './endpoints.ts';

/** Returns notes about the Services for the author of the Route, one sentence each. */
export function describeBackends(
  backends: readonly ServiceShare[],
  home: string,
  choices: readonly PortChoice[],
  finder: EndpointFinder,
): readonly string[] {
  const isWeightless = backends.length > 0 && backends.every(({ weight }) => weight === 0);
  const weightless = isWeightless ? ['every weight is 0, so no connection is served'] : [];
  const sentences = backends.flatMap((backend) => {
    const service = finder.serviceOf(backend, home);
    const name = `Service ${backend.service}`;
    if (service === undefined) return [`${name} does not exist`];
    if (service.isExternalName) return [`${name} is an ExternalName, which has no endpoints`];
    const slices = finder.slicesOf(backend, home);
    const leftOut = slices.flatMap((slice) => slice.leftOut);
    const refusals = new Set(choices.flatMap((choice) => finder.listRefusals(backend, home, choice)));
    const notes = [
      ...(leftOut.length === 0 ? [] : [`${name}: ignored endpoints ${leftOut.slice(0, 3).join(', ')}`]),
      ...Array.from(refusals, (refusal) => `${name}: ignored ${refusal}`),
    ];
    if (slices.every(({ endpoints }) => endpoints.length === 0)) {
      const why =
        service.idled === undefined ? 'has no endpoints' : 'is idled and has no endpoints until it is unidled';
      return [...notes, `${name} ${why}`];
    }
    const missing = choices.flatMap((choice) => describeMissingPort(backend, service, choice, slices) ?? []);
    notes.push(...new Set(missing));
    if (missing.length === choices.length) return notes;
    const isServing = slices.some(({ endpoints }) => endpoints.some(({ state }) => state !== 'unready'));
    return isServing ? notes : [...notes, `${name} has no ready endpoint`];
  });
  return [...weightless, ...sentences];
}

/** Maximum number of ports in a message. */
const maxNamedPorts = 10;

/** Returns why no endpoint of a Service has the chosen port, and the ports that exist. Undefined if one has it. */
function describeMissingPort(
  backend: ServiceShare,
  service: Service,
  choice: PortChoice,
  slices: readonly EndpointSlice[],
): string | undefined {
  const select = selectPorts(backend, service, choice);
  const ports = slices.flatMap((slice) => slice.ports);
  if (ports.some(select)) return undefined;
  const name = `Service ${backend.service}`;
  const { targetPort, protocol } = choice;
  const wanted = backend.servicePort ?? targetPort;
  const word = protocol.toUpperCase();
  // The Service has the port, but its own targetPort is the name of a port that no pod has.
  const own = service.ports.find(
    (port) => port.protocol === protocol && (wanted === undefined || port.name === wanted || port.port === wanted),
  );
  if (typeof own?.targetPort === 'string' && !ports.some((port) => port.name === own.name)) {
    const which = own.name === '' ? `${own.port}` : `"${own.name}"`;
    return `${name}: port ${which} has targetPort "${own.targetPort}", which is not the name of a port of its pods`;
  }
  const listed = [...new Set(ports.map((one) => `${one.name === '' ? '' : `${one.name} `}${showPort(one)}`))];
  const more = listed.length > maxNamedPorts ? `, and ${listed.length - maxNamedPorts} more` : '';
  const there = listed.length === 0 ? 'none' : `${listed.slice(0, maxNamedPorts).join(', ')}${more}`;
  if (backend.servicePort !== undefined) return `${name} has no endpoints for its port ${backend.servicePort}/${word}`;
  if (targetPort === undefined) return `${name} has no ${word} port; ports of its endpoints: ${there}`;
  const seen = typeof targetPort === 'number' ? `${targetPort}` : `"${targetPort}"`;
  return `${name} has no ${word} port for spec.port.targetPort ${seen}; ports of its endpoints: ${there}`;
}

function showPort({ port, protocol }: SlicePort): string {
  return `${port}/${protocol.toUpperCase()}`;
}
