"""The rules of the service on a virtual clock: what a rota and a demand would come to."""
