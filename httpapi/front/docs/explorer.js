// The API explorer: Swagger UI on the document of this gateway, and nothing from anywhere else.
'use strict';
SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#explorer',
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: 'BaseLayout',
  onComplete() {
    const title = document.querySelector('.info .title');
    if (title && title.firstChild) document.title = title.firstChild.textContent;
  },
});
