/** pino's lean build has the same interface as the whole one, but no types of its own. */
declare module 'pino/browser.js' {
  import { type pino } from 'pino';

  const build: typeof pino;
  export default build;
}
