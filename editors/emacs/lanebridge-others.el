;;; lanebridge-others.el --- What other language servers know  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Servers that Eglot or lsp-mode run for a buffer are asked by those
;; packages' connections; each counts positions in its own way.  Where
;; there is none, Xref and Imenu say where things are.

;;; Code:

(require 'cl-lib)
(require 'seq)
(require 'lanebridge-connection)
(require 'lanebridge-sync)
(require 'lanebridge-edit)

(declare-function eglot--signal-textDocument/didChange "eglot")
(declare-function lsp-workspaces "ext:lsp-mode")
(declare-function lsp-feature? "ext:lsp-mode")
(declare-function lsp-request-async "ext:lsp-mode")
(declare-function lsp--workspace-server-capabilities "ext:lsp-mode")
(declare-function lsp--workspace-server-id "ext:lsp-mode")
(declare-function flymake-diagnostic-data "flymake")
(declare-function flymake-diagnostics "flymake")
(declare-function xref-item-location "xref")
(declare-function xref-location-marker "xref")
(declare-function xref-find-backend "xref")
(declare-function xref-backend-definitions "xref")
(declare-function xref-backend-references "xref")
(declare-function xref-backend-identifier-at-point "xref")
(declare-function imenu--make-index-alist "imenu")
(defvar lsp-mode)
(defvar lsp--buffer-workspaces)
(defvar flymake-mode)
(defvar eglot--managed-mode)

(cl-defstruct (lanebridge-other (:copier nil))
  "Another language server of a buffer."
  (can nil :documentation "Function that says if it does METHOD.")
  (send nil :documentation "Function of METHOD, PARAMS, SUCCESS and FAILURE.")
  (encoding 'utf-16 :documentation "In what it counts."))

(defconst lanebridge-others--seconds 4
  "How long others are waited for.")

(defconst lanebridge-others--abilities
  '(("textDocument/documentSymbol" . :documentSymbolProvider)
    ("workspace/symbol" . :workspaceSymbolProvider)
    ("textDocument/definition" . :definitionProvider)
    ("textDocument/references" . :referencesProvider)
    ("textDocument/rename" . :renameProvider)
    ("textDocument/formatting" . :documentFormattingProvider)
    ("textDocument/rangeFormatting" . :documentRangeFormattingProvider)
    ("textDocument/codeAction" . :codeActionProvider))
  "What a server says that can do a method.")

(defun lanebridge-others--plain (value)
  "VALUE of JSON, in whatever shape a package has it, as plists and vectors."
  (cond
   ((hash-table-p value)
    (let (plist)
      (maphash (lambda (key member)
                 (setq plist (cons (intern (concat ":" (format "%s" key)))
                                   (cons (lanebridge-others--plain member) plist))))
               value)
      plist))
   ((vectorp value) (vconcat (mapcar #'lanebridge-others--plain value)))
   ((and (consp value) (keywordp (car value)))
    (cl-loop for (key member) on value by #'cddr
             collect key collect (lanebridge-others--plain member)))
   ((consp value) (vconcat (mapcar #'lanebridge-others--plain value)))
   (t value)))

(defun lanebridge-others--able-p (capabilities method)
  "Non-nil if CAPABILITIES have METHOD."
  (not (memq (plist-get capabilities (cdr (assoc method lanebridge-others--abilities)))
             '(nil :json-false))))

(defun lanebridge-others--eglot ()
  "The current buffer's server of Eglot, in a list."
  (when (bound-and-true-p eglot--managed-mode)
    (let* ((server (funcall (intern "eglot-current-server")))
           (capabilities (and server (funcall (intern "eglot--capabilities") server))))
      (when server
        (list (make-lanebridge-other
               :can (lambda (method) (lanebridge-others--able-p capabilities method))
               :encoding (intern (or (plist-get capabilities :positionEncoding) "utf-16"))
               :send (lambda (method params success failure)
                       (when (fboundp 'eglot--signal-textDocument/didChange)
                         (eglot--signal-textDocument/didChange))
                       (jsonrpc-async-request server (intern method) params
                                              :success-fn success :error-fn failure
                                              :timeout lanebridge-others--seconds
                                              :timeout-fn (lambda () (funcall failure nil))))))))))

(defun lanebridge-others--of-workspace (workspace)
  "The server of lsp-mode's WORKSPACE."
  (let ((capabilities (lanebridge-others--plain (lsp--workspace-server-capabilities workspace))))
    (make-lanebridge-other
     :can (lambda (method) (lanebridge-others--able-p capabilities method))
     :encoding (intern (or (plist-get capabilities :positionEncoding) "utf-16"))
     :send (lambda (method params success failure)
             (let ((lsp--buffer-workspaces (list workspace)))
               (lsp-request-async method params success :mode 'detached
                                  :error-handler failure))))))

(defun lanebridge-others--lsp-mode ()
  "The current buffer's servers of lsp-mode, without ours."
  (when (bound-and-true-p lsp-mode)
    (mapcar #'lanebridge-others--of-workspace
            (cl-remove-if (lambda (workspace)
                            (string-prefix-p "lanebridge"
                                             (format "%s" (lsp--workspace-server-id workspace))))
                          (lsp-workspaces)))))

(defun lanebridge-others (method)
  "Other servers of the current buffer that do METHOD."
  (cl-remove-if-not (lambda (other) (funcall (lanebridge-other-can other) method))
                    (append (lanebridge-others--eglot) (lanebridge-others--lsp-mode))))

;;; Positions of others

(defun lanebridge-others--line (uri row)
  "The line ROW, from 0, of the file of URI, open or not, or nil."
  (let ((buffer (lanebridge-file-buffer uri))
        (file (lanebridge-uri-file uri))
        (take (lambda ()
                (save-excursion
                  (save-restriction
                    (widen)
                    (goto-char (point-min))
                    (and (= 0 (forward-line row))
                         (buffer-substring-no-properties (point) (line-end-position))))))))
    (cond (buffer (with-current-buffer buffer (funcall take)))
          ((and file (file-readable-p file))
           (with-temp-buffer
             (insert-file-contents file)
             (funcall take))))))

(defun lanebridge-others--position (uri position from to)
  "POSITION in the file of URI, in the encoding TO instead of FROM."
  (let ((character (plist-get position :character)))
    (if (or (eq from to) (= character 0))
        position
      (let* ((line (or (lanebridge-others--line uri (plist-get position :line)) ""))
             (index (lanebridge-char-index line character from)))
        (list :line (plist-get position :line)
              :character (lanebridge-units (substring line 0 index) to))))))

(defun lanebridge-others--range (uri range from to)
  "RANGE in the file of URI, in the encoding TO instead of FROM."
  (list :start (lanebridge-others--position uri (plist-get range :start) from to)
        :end (lanebridge-others--position uri (plist-get range :end) from to)))

(defun lanebridge-others--params (params more to)
  "PARAMS of the server with MORE, as a server that counts in TO wants them."
  (let ((uri (plist-get params :uri))
        (ours (lanebridge--encoding)))
    (append (and uri (list :textDocument (list :uri uri)))
            (and (plist-get params :position)
                 (list :position (lanebridge-others--position
                                  uri (plist-get params :position) ours to)))
            (and (plist-get params :range)
                 (list :range (lanebridge-others--range uri (plist-get params :range) ours to)))
            more)))

;;; Asking

(defun lanebridge-others--ask-all (others method params callback)
  "Ask OTHERS METHOD with what PARAMS, a function, gives for each.
CALLBACK gets a list of (OTHER . RESULT), without those that failed or
were slow."
  (let* ((server (lanebridge-server)) (left (length others)) answers timer
         (finish (lambda ()
                   (when timer
                     (cancel-timer timer)
                     (setq timer nil)
                     (lanebridge--enqueue server callback (nreverse answers))))))
    (setq timer (run-at-time lanebridge-others--seconds nil finish))
    (dolist (other others)
      (let ((one-less (lambda () (when (= 0 (setq left (1- left))) (funcall finish)))))
        (condition-case nil
            (funcall (lanebridge-other-send other) method (funcall params other)
                     (lambda (result)
                       (push (cons other (lanebridge-others--plain result)) answers)
                       (funcall one-less))
                     (lambda (&rest _) (funcall one-less)))
          (error (funcall one-less)))))))

(defun lanebridge-others-ask (method params more callback &optional max)
  "Ask others METHOD about PARAMS of the server, with MORE; MAX of them.
CALLBACK gets a list of (OTHER . RESULT).  Give nil if there are none."
  (let ((others (lanebridge-others method)))
    (when others
      (lanebridge-others--ask-all
       (if max (seq-take others max) others) method
       (lambda (other) (lanebridge-others--params params more (lanebridge-other-encoding other)))
       callback)
      t)))

;;; Symbols

(defconst lanebridge-others--symbols-max 200
  "More symbols than this are not told.")

(defun lanebridge-others--flatten (symbols other uri container)
  "SYMBOLS that OTHER told of URI in CONTAINER, and those in them, as a list."
  (let ((ours (lanebridge--encoding)))
    (cl-mapcan
     (lambda (symbol)
       (let* ((location (plist-get symbol :location))
              (at (or (plist-get location :uri) uri))
              (range (or (plist-get symbol :selectionRange) (plist-get location :range)))
              (holder (or (plist-get symbol :containerName) container)))
         (append
          (and at range
               (list (append
                      (list :name (plist-get symbol :name) :kind (plist-get symbol :kind)
                            :uri at
                            :range (lanebridge-others--range
                                    at range (lanebridge-other-encoding other) ours))
                      (and (stringp holder) (list :container holder)))))
          (lanebridge-others--flatten (plist-get symbol :children) other uri
                                      (plist-get symbol :name)))))
     (append symbols nil))))

(defun lanebridge-others--imenu (uri)
  "What Imenu knows of the current buffer, whose URI is given."
  (require 'imenu)
  (let (symbols)
    (cl-labels ((walk (list container)
                  (dolist (entry list)
                    (cond
                     ((subalist-p entry) (walk (cdr entry) (car entry)))
                     ((let ((pos (if (consp (cdr entry)) (cadr entry) (cdr entry))))
                        (when (and (stringp (car entry)) (or (markerp pos) (natnump pos)) (> pos 0))
                          (push (append (list :name (substring-no-properties (car entry)) :kind 13
                                              :uri uri :range (lanebridge-range pos pos))
                                        (and container (list :container container)))
                                symbols)))))))
                (subalist-p (entry)
                  (and (consp entry) (consp (cdr entry)) (listp (cadr entry)))))
      (walk (ignore-errors (lanebridge-without-asking (imenu--make-index-alist t))) nil))
    (nreverse symbols)))

(defun lanebridge-others-symbols (uri query callback)
  "Have CALLBACK called with the symbols of URI, or those that match QUERY."
  (let* ((method (if uri "textDocument/documentSymbol" "workspace/symbol"))
         (take (lambda (answers)
                 (funcall callback
                          (seq-take (cl-mapcan
                                     (pcase-lambda (`(,other . ,result))
                                       (lanebridge-others--flatten result other uri nil))
                                     answers)
                                    lanebridge-others--symbols-max)))))
    (cond
     (uri (unless (lanebridge-others-ask method (list :uri uri) nil take)
            (funcall callback (lanebridge-others--imenu uri))))
     (t (let ((buffer (cl-find-if (lambda (buffer)
                                    (with-current-buffer buffer (lanebridge-others method)))
                                  (cl-remove-if-not #'buffer-live-p lanebridge-sync--buffers))))
          (if buffer
              (with-current-buffer buffer
                (lanebridge-others-ask method nil (list :query query) take))
            (funcall callback nil)))))))

;;; Places

(defun lanebridge-others--places (answers)
  "Locations in ANSWERS, each once, in our encoding."
  (let ((ours (lanebridge--encoding)) places)
    (pcase-dolist (`(,other . ,result) answers)
      (seq-doseq (place (if (vectorp result) result (and result (vector result))))
        (let* ((uri (or (plist-get place :uri) (plist-get place :targetUri)))
               (range (or (plist-get place :range) (plist-get place :targetSelectionRange)))
               (text (lanebridge-others--line uri (plist-get (plist-get range :start) :line))))
          (cl-pushnew (append (list :uri uri
                                    :range (lanebridge-others--range
                                            uri range (lanebridge-other-encoding other) ours))
                              (and text (list :text (lanebridge-sync--sendable text))))
                      places :test #'equal))))
    (nreverse places)))

(defun lanebridge-others--xref-place (item)
  "ITEM of Xref as a place."
  (let ((marker (xref-location-marker (xref-item-location item))))
    (with-current-buffer (marker-buffer marker)
      (when buffer-file-name
        (save-excursion
          (goto-char marker)
          (list :uri (lanebridge-sync-uri)
                :range (lanebridge-range (point) (point))
                :text (lanebridge-sync--sendable
                       (buffer-substring-no-properties (line-beginning-position)
                                                       (line-end-position)))))))))

(defun lanebridge-others--xref (method position)
  "What Xref knows of POSITION in the current buffer, for METHOD."
  (require 'xref)
  (goto-char (lanebridge-point position))
  (let ((backend (xref-find-backend)))
    ;; That of etags would ask for a table.
    (unless (and (eq backend 'etags)
                 (not (bound-and-true-p tags-file-name))
                 (not (bound-and-true-p tags-table-list)))
      (let ((name (xref-backend-identifier-at-point backend)))
        (and name
             (delq nil (mapcar #'lanebridge-others--xref-place
                               (if (equal method "textDocument/definition")
                                   (xref-backend-definitions backend name)
                                 (xref-backend-references backend name)))))))))

(defun lanebridge-others-locations (method params more callback)
  "Have CALLBACK called with what METHOD says about PARAMS, with MORE."
  (unless (lanebridge-others-ask method params more
                                 (lambda (answers)
                                   (funcall callback (lanebridge-others--places answers))))
    (funcall callback
             (ignore-errors
               (lanebridge-without-asking
                 (lanebridge-others--xref method (plist-get params :position)))))))

;;; Edits

(defun lanebridge-others-versions ()
  "The versions that open documents have now, by URI."
  (lanebridge-sync-flush)
  (delq nil (mapcar (lambda (buffer)
                      (and (buffer-live-p buffer)
                           (with-current-buffer buffer
                             (cons (lanebridge-sync-uri) (lanebridge-sync-version)))))
                    lanebridge-sync--buffers)))

(defun lanebridge-others--text-edits (uri edits from)
  "EDITS of the file of URI, in our encoding instead of FROM."
  (let ((ours (lanebridge--encoding)))
    (vconcat (mapcar (lambda (edit)
                       (list :range (lanebridge-others--range uri (plist-get edit :range) from ours)
                             :newText (plist-get edit :newText)))
                     edits))))

(defun lanebridge-others-edit (other edit versions)
  "EDIT of OTHER, a WorkspaceEdit, in our encoding.
VERSIONS are those the documents had when it was asked for."
  (let ((from (lanebridge-other-encoding other))
        (changes (or (append (plist-get edit :documentChanges) nil)
                     (cl-loop for (uri edits) on (plist-get edit :changes) by #'cddr
                              collect (list :textDocument
                                            (list :uri (if (stringp uri) uri
                                                         (substring (symbol-name uri) 1)))
                                            :edits edits)))))
    (list :documentChanges
          (vconcat
           (mapcar (lambda (change)
                     (if (plist-get change :kind)
                         change
                       (let ((uri (plist-get (plist-get change :textDocument) :uri)))
                         (list :textDocument (list :uri uri :version (cdr (assoc uri versions)))
                               :edits (lanebridge-others--text-edits
                                       uri (plist-get change :edits) from)))))
                   changes)))))

;;; Code actions

(defun lanebridge-others--diagnostics (range)
  "Diagnostics in RANGE, as the servers want them back that made them."
  (pcase-let ((`(,beg . ,end) (lanebridge-region range)))
    (vconcat
     (and (bound-and-true-p flymake-mode)
          (delq nil (mapcar (lambda (diagnostic)
                              (alist-get 'eglot-lsp-diag (flymake-diagnostic-data diagnostic)))
                            (flymake-diagnostics beg (max end (1+ beg)))))))))

(defun lanebridge-others--resolve (actions callback &optional done)
  "Have each of ACTIONS, (OTHER . ACTION), get its edit.
CALLBACK gets a list of (TITLE OTHER EDIT), which begins as DONE; those
without an edit are left out."
  (if (null actions)
      (funcall callback (nreverse done))
    (pcase-let* ((`((,other . ,action) . ,rest) actions)
                 (next (lambda (edit)
                         (lanebridge-others--resolve
                          rest callback
                          (if edit (cons (list (plist-get action :title) other edit) done) done)))))
      (cond
       ((plist-get action :edit) (funcall next (plist-get action :edit)))
       ((or (stringp (plist-get action :command)) (plist-get action :disabled)
            (not (plist-get action :data)))
        (funcall next nil))
       (t (lanebridge-others--ask-all
           (list other) "codeAction/resolve" (lambda (_) action)
           (lambda (answers) (funcall next (plist-get (cdr (car answers)) :edit)))))))))

(defun lanebridge-others-actions (params callback)
  "Have CALLBACK called with code actions for PARAMS: (TITLE OTHER EDIT) each."
  (unless (lanebridge-others-ask
           "textDocument/codeAction" params
           (list :context (append (list :diagnostics
                                        (lanebridge-others--diagnostics (plist-get params :range)))
                                  (and (plist-get params :kinds)
                                       (list :only (plist-get params :kinds)))))
           (lambda (answers)
             (lanebridge-others--resolve
              (cl-mapcan (pcase-lambda (`(,other . ,result))
                           (mapcar (lambda (action) (cons other action)) (append result nil)))
                         answers)
              callback)))
    (funcall callback nil)))

(provide 'lanebridge-others)
;;; lanebridge-others.el ends here
