import { defineConfig } from '@hey-api/openapi-ts';

// The answers are parsed by the document's schemas, so that an unknown kind of a union is an error.
export default defineConfig({
  input: process.env['DOCUMENT'] ?? '',
  output: 'src/client',
  plugins: ['@hey-api/client-fetch', '@hey-api/typescript', 'zod', { name: '@hey-api/sdk', validator: { response: true } }],
});
