import type { Logger } from 'pino';

/** The controller's log: JSON lines by pino. */
export type ControllerLog = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
