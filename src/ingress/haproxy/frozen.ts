import { certificateFile } from './command.ts';
import { clientNumbers, innerFiles } from './gateway-names.ts';
import type { InForce } from './layout.ts';
import type { Steps } from './steps.ts';

/**
 * Returns the files of certificates that HAProxy can replace only with a reload, after some steps. `commit ssl ca-file`
 * rebuilds what the frontend made of its certificates, but HAProxy then no longer finds it by the certificate
 * (https://github.com/haproxy/haproxy/issues/3165). If such a certificate is committed, the old one is presented on,
 * and the next `commit ssl ca-file` uses memory that was freed. A certificate that is listed again is found again.
 */
export function findFrozen({ state, layout }: InForce, { prepare, list, remove }: Steps): ReadonlySet<string> {
  const changed = new Set(prepare.flatMap((step) => (step.kind === 'load-authority' && !step.new ? [step.file] : [])));
  if (changed.size === 0 && layout.frozen.size === 0) return layout.frozen;
  const frozen = new Set(layout.frozen);
  if (changed.size > 0) {
    for (const { name, inner } of state.certificates.values()) {
      if (inner !== undefined && changed.has(innerFiles(inner).authorities)) frozen.add(certificateFile(name));
    }
    for (const number of state.settings.gateways === undefined ? [] : clientNumbers(state.settings.gateways)) {
      const { authorities, certificate } = innerFiles(number);
      if (changed.has(authorities)) frozen.add(certificate);
    }
  }
  for (const step of [...list, ...remove]) {
    if (step.kind === 'unlist-certificate') frozen.delete(certificateFile(step.certificate.name));
  }
  return frozen;
}
