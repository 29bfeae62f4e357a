import { transformSync } from 'oxc-transform';

/**
 * TypeScript to JavaScript, with the metadata of decorators that NestJS injects by.
 *
 * @type {import('@jest/transform').SyncTransformer}
 */
export default {
  process(source, path) {
    const { code, map, errors } = transformSync(path, source, {
      decorator: { legacy: true, emitDecoratorMetadata: true },
      sourcemap: true,
      target: 'es2024',
    });
    const [error] = errors;
    if (error !== undefined) throw new Error(`${path}: ${error.message}\n${error.codeframe ?? ''}`);
    return { code, map };
  },
};
