#!/bin/sh
# Builds the styles and scripts into callback_service/static/vendor; run it through `npm run build`.
set -eu
cd "$(dirname "$0")"
vendor=../callback_service/static/vendor
bin=node_modules/.bin
mkdir -p "$vendor"

"$bin/sass" --load-path=node_modules --style=compressed --no-source-map --no-error-css --quiet-deps app.scss "$vendor/app.css"

for name in public staff; do
  "$bin/esbuild" "$name.mjs" --bundle --minify --format=iife --target=es2019 --legal-comments=none \
    --log-level=warning --outfile="$vendor/$name.js"
done

cp node_modules/htmx.org/dist/htmx.min.js "$vendor/htmx.min.js"
cp node_modules/htmx.org/LICENSE "$vendor/htmx.LICENSE.txt"
cp licences/govuk-frontend.txt "$vendor/govuk-frontend.LICENSE.txt"
