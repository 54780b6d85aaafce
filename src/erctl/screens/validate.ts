import type { Screen } from '../console.ts';
import type { ValidateDocument } from '../manifests/validate-document.ts';
import { renderText } from '../table.ts';

/** Renders `erctl validate`: one line per problem, in the format of compilers, and one per document. */
export function renderValidation({ files }: ValidateDocument, screen: Screen): string {
  return files
    .map(({ file, documents }) => {
      const name = file === '-' ? 'standard input' : file;
      if (documents.length === 0) return renderText(`${name}: contains no documents`, screen);
      return documents
        .map(({ title, outcome, problems }) => {
          const lines = problems.map(({ path, value, cure, line }) => {
            const place = line === undefined ? name : `${name}:${line}`;
            const words = `${place}: ${title}: ${path}${value === '' ? '' : ` ${value}`}: ${cure}`;
            return renderText(words, screen, '  ', 'red');
          });
          if (lines.length > 0) return lines.join('');
          if (outcome === 'skipped')
            return renderText(`${name}: ${title}: skipped: not for an egress router or the ingress agent`, screen);
          return renderText(`${name}: ${title} is valid`, screen, '', 'green');
        })
        .join('');
    })
    .join('');
}
