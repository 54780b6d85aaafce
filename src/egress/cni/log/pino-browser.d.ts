/** pino's browser build has the same interface as the main build, but no types. */
declare module 'pino/browser.js' {
  import { type pino } from 'pino';

  const build: typeof pino;
  export default build;
}
