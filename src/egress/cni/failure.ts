import { KernelError, type KernelErrorKind } from '../../base/linux/kernel-error.ts';
import { PlanError, type PlanErrorKind } from '../plan/error.ts';
import { CniError, type ErrorCode, errorCodes } from './error.ts';

const kernelCodes: Readonly<Record<KernelErrorKind, ErrorCode>> = {
  'namespace-gone': errorCodes.invalidEnvironment,
  busy: errorCodes.tryAgainLater,
  exists: errorCodes.kernelRefused,
  missing: errorCodes.kernelRefused,
  refused: errorCodes.kernelRefused,
  'no-rule-backend': errorCodes.rulesRefused,
  io: errorCodes.ioFailure,
};

const planCodes: Readonly<Record<PlanErrorKind, ErrorCode>> = {
  configuration: errorCodes.invalidNetworkConfig,
  environment: errorCodes.kernelRefused,
  exists: errorCodes.attachmentExists,
};

/** Translates a failure of planning or of the kernel to a CNI error. Other errors are returned unchanged. */
export function translateFailure(error: unknown): unknown {
  if (error instanceof KernelError) return new CniError(kernelCodes[error.kind], error.message, '', { cause: error });
  if (error instanceof PlanError) {
    const head = error.kind === 'configuration' ? 'Invalid network configuration: ' : 'Cannot add the attachment: ';
    return new CniError(planCodes[error.kind], `${head}${error.message}`);
  }
  return error;
}
