import manifest from '../../../package.json' with { type: 'json' };

/** Version of all programs: they are released together. */
export const version: string = manifest.version;
