/** A regular expression without alternatives between literals, and the target of its rewrite. */
export interface Variant {
  readonly path: string;
  readonly target: string | undefined;
}

/** Maximum number of variants of a path. */
const mostVariants = 32;

/** A word, in which a dot between letters is literal. */
const word = String.raw`(?:[A-Za-z0-9_~%/-]|(?<=[A-Za-z0-9_])\.(?=[A-Za-z0-9_]))+`;

/**
 * The literal text before a group, and a group of literal alternatives that nothing repeats. A dot before the group is
 * literal after a word only: `/index.(php|html)` names files, but `/users/.(a|b)` is any character.
 */
const literalGroup = new RegExp(
  String.raw`^(?<before>\^?(?:[A-Za-z0-9_~%/-]|\.(?=\w)|(?<=\w)\.(?=\())*)\((?<inner>\?:)?(?<words>${word}(?:\|${word})*)\)(?![*+?{])(?<after>.*)$`,
);

/**
 * Replaces groups of literal alternatives, such as `/(api|docs)(/|$)(.*)`, by one expression for each alternative. Where
 * the target refers to a group, the variant has its text. Returns undefined if there is no such group, or too many
 * variants.
 */
export function listVariants(path: string, target: string | undefined): readonly Variant[] | undefined {
  const found = literalGroup.exec(path)?.groups;
  if (found === undefined) return undefined;
  const { before = '', inner, words = '', after = '' } = found;
  const variants = words.split('|').flatMap((text): readonly Variant[] => {
    const one = {
      path: `${before}${text}${after}`,
      target: inner === undefined ? fillGroup(target, text) : target,
    };
    return listVariants(one.path, one.target) ?? [one];
  });
  return variants.length > mostVariants ? undefined : variants;
}

/** Replaces the first group of a target by its text, and renumbers the others. */
function fillGroup(target: string | undefined, text: string): string | undefined {
  return target?.replaceAll(/\$(\d)/g, (all, digit: string) => {
    const number = Number(digit);
    return number === 0 ? all : number === 1 ? text : `$${number - 1}`;
  });
}

/** The literal text before an optional slash at the end of a path. */
const optionalSlash = /^(?<before>[^?*+()[\]{}|\\$]*)(?:\/\?|\(\/\)\?|\(\/\?\))\$$/;

/** Replaces an optional slash at the end, such as `/api/?$`, by one expression without and one with it. */
export function listEndings(path: string, target: string | undefined): readonly Variant[] | undefined {
  const before = optionalSlash.exec(path)?.groups?.before;
  if (before === undefined) return undefined;
  const paths = before.replace('^', '') === '' ? ['/$'] : [`${before}$`, `${before}/$`];
  return paths.map((one) => ({ path: one, target }));
}
