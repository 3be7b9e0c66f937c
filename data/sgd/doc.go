// Package sgd makes conversations of the Schema-Guided Dialogue data (Rastogi et al.,
// "Towards scalable multi-domain conversational agents", AAAI 2020), the nearest public
// match to the data of the paper's Table 6, which its authors did not publish.
//
//	FOLDER/{train,dev,test}/schema.json, dialogues_*.json ─ Read ─► Conversation
//
// A user's turn and the system's next one become a message of the user and one of the
// assistant, which is an [apicall.Turn]: where the system calls a service the parser's
// call, and the system's words as the agent's reply. What the service answered is not
// shown, as it is not in the paper's examples. A system message has the APIs of the
// dialogue's services: names of services that were never trained on cannot be guessed.
package sgd
