/** Processor models: what `-cpu` may say, and what the processor is told. */
export { CPUID_PAGE_BYTES, cpuidEntries, encodeModel } from './encode.ts';
export { MODELS } from './models.ts';
export { type CpuModel, IMPLEMENTED, resolveModel } from './resolve.ts';
