import { stringify } from 'yaml';
import { escapeLines, escapeUnprintable } from '../../base/model/text.ts';
import type { RenderDocument } from '../manifests/render-document.ts';

/** Renders `erctl render`: YAML for `kubectl`, and the input of the rule tools after comments. */
export function renderRendering({ routers }: RenderDocument): string {
  return routers
    .map(({ title, definition, scripts }) => {
      const parts = [
        ...(definition === undefined ? [] : [stringify(definition, { lineWidth: 0 })]),
        ...scripts.map(
          ({ tool, input }) =>
            `# ${escapeUnprintable(title)}: ${tool} ${tool === 'nft' ? '-f -' : '--noflush'}\n${input}`,
        ),
      ];
      return parts.map(escapeLines);
    })
    .map((parts) => parts.join('---\n'))
    .join('---\n');
}
