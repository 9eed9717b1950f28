;;; lanebridge-lsp-mode.el --- Lanebridge as a server of lsp-mode  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; For those who prefer it: (require 'lanebridge-lsp-mode), and lsp-mode starts
;; the server beside those of the language.  lsp-mode tells it of buffers; chat,
;; approvals and hunks go over the same connection.  Its edits are applied by us,
;; for buffers as lsp-mode tells of them: lsp-mode takes version 0 for none, and
;; does not look at what comes of an edit.  Without lsp-mode nothing of this is
;; needed.
;;
;; What lsp-mode reads as nil was false: the server never sends null in messages
;; of its own, but for an edit's version.

;;; Code:

(require 'cl-lib)
(require 'lanebridge-connection)

(declare-function lsp-register-client "ext:lsp-mode")
(declare-function make-lsp-client "ext:lsp-mode")
(declare-function lsp-stdio-connection "ext:lsp-mode")
(declare-function lsp-request-async "ext:lsp-mode")
(declare-function lsp-notify "ext:lsp-mode")
(declare-function lsp--workspace-server-capabilities "ext:lsp-mode")
(declare-function lanebridge-sync-flush "lanebridge-sync")
(defvar lsp--cur-workspace)
(defvar lsp--cur-version)
(defvar lsp--buffer-workspaces)

(defvar lanebridge-lsp-mode--servers nil
  "Alist of lsp-mode's workspaces and what they are to us.")

;;;; Their data and ours

(defun lanebridge-lsp-mode--members (names values)
  "A plist of NAMES and VALUES, in which nothing is null."
  (cl-mapcan (lambda (name value)
               (list name (if (null value) :json-false (lanebridge-lsp-mode--plain value))))
             names values))

(defun lanebridge-lsp-mode--plain (value)
  "VALUE as lsp-mode has read it, the way jsonrpc.el would have."
  (cond
   ((hash-table-p value)
    (let (names values)
      (maphash (lambda (name member)
                 (push (intern (concat ":" name)) names)
                 (push member values))
               value)
      (lanebridge-lsp-mode--members names values)))
   ((and (consp value) (keywordp (car value)))
    (let (names values)
      (while value
        (push (pop value) names)
        (push (pop value) values))
      (lanebridge-lsp-mode--members names values)))
   ((or (vectorp value) (consp value))
    (vconcat (mapcar #'lanebridge-lsp-mode--plain value)))
   (t value)))

;;;; Messages

(defun lanebridge-lsp-mode--server (workspace)
  "What WORKSPACE is to us."
  (or (cdr (assq workspace lanebridge-lsp-mode--servers))
      (let ((server (make-lanebridge-server :remote "" :since (float-time) :expected t)))
        (setf (lanebridge-server-sender server)
              (lambda (method params success failure)
                (let* ((lsp--cur-workspace workspace)
                       (sent (lsp-request-async
                              method params
                              (lambda (results)
                                (funcall success (lanebridge-lsp-mode--plain (cdar results))))
                              :error-handler
                              (lambda (problem)
                                (funcall failure (lanebridge-lsp-mode--plain problem)))
                              :mode 'detached :no-merge t)))
                  (and (consp sent) (plist-get sent :id))))
              (lanebridge-server-notifier server)
              (lambda (method params)
                ;; Of buffers lsp-mode tells by itself.
                (unless (string-prefix-p "textDocument/" method)
                  (let ((lsp--cur-workspace workspace))
                    (lsp-notify method params))))
              (lanebridge-server-versioner server)
              (lambda ()
                (and (memq workspace lsp--buffer-workspaces) lsp--cur-version)))
        (push (cons workspace server) lanebridge-lsp-mode--servers)
        server)))

(defun lanebridge-lsp-mode--on (method)
  "What takes notifications METHOD."
  (lambda (workspace params)
    (lanebridge-receive-notification (lanebridge-lsp-mode--server workspace) method
                                     (lanebridge-lsp-mode--plain params))))

(defun lanebridge-lsp-mode--on-request (method)
  "What takes requests METHOD.
Which id they have is not told, so they are taken back with their turn."
  (lambda (workspace params callback)
    (let ((server (lanebridge-lsp-mode--server workspace)))
      (lanebridge-receive-request
       server method (lanebridge-lsp-mode--plain params)
       (lanebridge-make-reply server (gensym)
                              (lambda (result _problem)
                                (funcall callback (or result lanebridge-empty))))))))

(defun lanebridge-lsp-mode--handlers (known make)
  "Of KNOWN, functions by methods, those that are for us, each made by MAKE."
  (let ((handlers (make-hash-table :test #'equal)))
    (maphash (lambda (method _)
               (when (or (string-prefix-p "lanebridge/" method)
                         (equal method "workspace/applyEdit"))
                 (puthash method (funcall make method) handlers)))
             known)
    handlers))

;;;; The life of a server

(defun lanebridge-lsp-mode--attach (workspace)
  "WORKSPACE is there: from now on it is the server."
  (let ((server (lanebridge-lsp-mode--server workspace))
        (own (let ((default-directory "/")) (lanebridge-server))))
    (when (and own (not (eq own server)) (lanebridge-server-connection own))
      (let ((default-directory "/")) (lanebridge-stop)))
    (lanebridge-register-server server)
    (lanebridge-set-ready
     server (list :capabilities (lanebridge-lsp-mode--plain
                                 (lsp--workspace-server-capabilities workspace))
                  :attached t))))

(defun lanebridge-lsp-mode--initialized (workspace)
  "WORKSPACE is there."
  ;; Not in the process filter that lsp-mode reads in.
  (run-at-time 0 nil #'lanebridge-lsp-mode--attach workspace))

(defun lanebridge-lsp-mode--ended (workspace)
  "WORKSPACE is there no more."
  (let ((entry (assq workspace lanebridge-lsp-mode--servers)))
    (when entry
      (setq lanebridge-lsp-mode--servers (delq entry lanebridge-lsp-mode--servers))
      (lanebridge-server-gone (cdr entry)))))

(defun lanebridge-lsp-mode--register ()
  "Tell lsp-mode of the server."
  (mapc #'require lanebridge--modules)
  (lsp-register-client
   (make-lsp-client
    :server-id 'lanebridge
    :new-connection (lsp-stdio-connection (lambda () lanebridge-command))
    :activation-fn (lambda (file &rest _) (and file (not (file-remote-p file))))
    :add-on? t
    :multi-root t
    :priority -5
    :initialization-options #'lanebridge--initial-settings
    :custom-capabilities
    (list (cons 'experimental (plist-get (lanebridge-client-capabilities) :experimental)))
    :notification-handlers
    (lanebridge-lsp-mode--handlers lanebridge--on #'lanebridge-lsp-mode--on)
    :async-request-handlers
    (lanebridge-lsp-mode--handlers lanebridge--on-request #'lanebridge-lsp-mode--on-request)
    :initialized-fn #'lanebridge-lsp-mode--initialized))
  (add-hook 'lsp-after-uninitialized-functions #'lanebridge-lsp-mode--ended))

(when (require 'lsp-mode nil t)
  (lanebridge-lsp-mode--register))

(provide 'lanebridge-lsp-mode)
;;; lanebridge-lsp-mode.el ends here
