// Builds the pages into dist/pages, each text file also compressed: the binary embeds what it finds there and compresses nothing itself.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const hub = process.env["HUB"] ?? "http://127.0.0.1:7070";

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

const compressed: Plugin = {
  name: "compressed",
  apply: "build",
  closeBundle() {
    for (const path of files("dist/pages").filter((name) => /\.(html|js|css|svg|json)$/.test(name))) {
      const bytes = readFileSync(path);
      writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
    }
  },
};

export default defineConfig({
  plugins: [compressed],
  // Inlined assets would need `data:` in the policy that the hub sends.
  build: { outDir: "dist/pages", emptyOutDir: true, assetsInlineLimit: 0, target: "es2022", modulePreload: { polyfill: false } },
  server: {
    proxy: {
      "/api": hub,
      "/health": hub,
      "/docs": hub,
      "/openapi.json": hub,
      "/page": hub,
      "/cable": { target: hub, ws: true },
    },
  },
});
