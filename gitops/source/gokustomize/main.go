// gitops-kustomize builds kustomizations that it is handed as bytes, for as long as it is asked to.
//
// File descriptor 0 is a datagram socket on which conversations arrive, each as one file descriptor. A conversation is
// one request and one reply, each a four-byte length and JSON. The files of a request are laid out in memory: this
// process opens nothing, and its sandbox would not let it.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"runtime/debug"
	"syscall"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const (
	maxRequest = 256 << 20
	// Begun anew after this many builds, so that whatever grows does not grow for ever.
	maxBuilds = 5000
)

type request struct {
	// Absolute path -> content.
	Files map[string][]byte `json:"files"`
	// The folder to build.
	Target string `json:"target"`
	// Files must be in or below the folder of the kustomization that names them.
	Restrict bool `json:"restrict"`
	// "", "none" or "legacy".
	Reorder string `json:"reorder"`
}

type reply struct {
	Error   string            `json:"error,omitempty"`
	Objects []json.RawMessage `json:"objects"`
}

func main() {
	for builds := 0; builds < maxBuilds; builds++ {
		conversation, err := accept()
		if err != nil {
			return
		}
		serve(conversation)
		conversation.Close()
		if builds%50 == 0 {
			debug.FreeOSMemory()
		}
	}
}

func accept() (*os.File, error) {
	data, control := make([]byte, 64), make([]byte, syscall.CmsgSpace(4))
	_, size, _, _, err := syscall.Recvmsg(0, data, control, syscall.MSG_CMSG_CLOEXEC)
	for err == syscall.EINTR {
		_, size, _, _, err = syscall.Recvmsg(0, data, control, syscall.MSG_CMSG_CLOEXEC)
	}
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(control[:size])
	if err != nil || len(messages) == 0 {
		return nil, io.EOF
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, io.EOF
	}
	return os.NewFile(uintptr(fds[0]), "conversation"), nil
}

func serve(conversation *os.File) {
	if send(conversation, map[string]int{"pid": os.Getpid()}) != nil {
		return
	}
	var head [4]byte
	if _, err := io.ReadFull(conversation, head[:]); err != nil {
		return
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxRequest {
		return
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(conversation, body); err != nil {
		return
	}
	var asked request
	if err := json.Unmarshal(body, &asked); err != nil {
		_ = send(conversation, reply{Error: "the request cannot be read"})
		return
	}
	objects, err := build(asked)
	if err != nil {
		_ = send(conversation, reply{Error: err.Error()})
		return
	}
	_ = send(conversation, reply{Objects: objects})
}

func send(conversation *os.File, message any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(body)))
	if _, err := conversation.Write(head[:]); err != nil {
		return err
	}
	_, err = conversation.Write(body)
	return err
}

func build(asked request) (objects []json.RawMessage, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("kustomize failed: %v", problem)
		}
	}()
	files := filesys.MakeFsInMemory()
	if err := files.MkdirAll(asked.Target); err != nil {
		return nil, err
	}
	for name, content := range asked.Files {
		if err := files.MkdirAll(path.Dir(name)); err != nil {
			return nil, err
		}
		if err := files.WriteFile(name, content); err != nil {
			return nil, err
		}
	}
	options := krusty.MakeDefaultOptions()
	// As the kustomize and kubectl commands have it: the kustomization's sortOptions, else the old order by kind.
	options.Reorder = krusty.ReorderOptionUnspecified
	if !asked.Restrict {
		options.LoadRestrictions = types.LoadRestrictionsNone
	}
	switch asked.Reorder {
	case "none":
		options.Reorder = krusty.ReorderOptionNone
	case "legacy":
		options.Reorder = krusty.ReorderOptionLegacy
	}
	built, err := krusty.MakeKustomizer(options).Run(files, asked.Target)
	if err != nil {
		return nil, err
	}
	objects = make([]json.RawMessage, 0, built.Size())
	for _, resource := range built.Resources() {
		// By way of YAML text, as kubectl would print it and read it again.
		text, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		object, err := yaml.YAMLToJSON(text)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}
