// Visitor feed, "Handling Events in the Frontend". Added: the import, and the export. Changed: the placeholder of the
// server, as the document's notes ask for.
import { openFeed as WebSocket } from "@channelgate/react/feed";

const socket = new WebSocket(globalThis.feedServer + '/ws/');

socket.onopen = function() {
    console.log('WebSocket connection established.');
};

socket.onmessage = function(event) {
    const message = JSON.parse(event.data);
    console.log('Received event:', message.event);
    console.log('Event data:', message.data);

    switch (message.event) {
        case 'client_create':
            // Handle client creation
            break;
        case 'client_update':
            // Handle client update
            break;
        case 'client_delete':
            // Handle client deletion
            break;
        case 'employee_create':
            // Handle employee creation
            break;
        // Add more cases for other events
    }
};

socket.onclose = function() {
    console.log('WebSocket connection closed.');
};

export { socket };
